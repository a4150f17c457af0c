-- The days or months that a table has rows of: each is a file. Read by sinks/exporting.py, which fills in slice, table and condition.
SELECT DISTINCT toString({slice}) AS slice FROM {table} WHERE {condition} ORDER BY slice
