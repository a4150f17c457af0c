-- Session dates on which current marks do not follow the days their schools were open. Read by sinks/derive.py.
-- keys: lives_keys.sql.
SELECT DISTINCT session_date FROM ({keys}) ORDER BY session_date
