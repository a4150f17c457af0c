-- The first session date that retention has kept; 1970-01-01 before its first run. Read by sinks/archive_range.py.
SELECT max(before) FROM erasure WHERE kind = 'retention'
