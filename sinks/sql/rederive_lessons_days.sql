-- Their session dates. Read by sinks/derive.py. keys: rederive_lessons_keys.sql.
SELECT DISTINCT session_date FROM ({keys}) ORDER BY session_date
