-- The rows of one file. Read by sinks/exporting.py, which fills in table, final, condition, within (the file's day or month)
-- and key.
SELECT * FROM {table} {final} WHERE {condition} AND {within} ORDER BY {key}
