-- Of schools that were, by any version, in one of the authorities asked for. A part of absence_sessions.sql, absence_weeks.sql, weeks_seen.sql
-- and weeks_compared.sql; read by sinks/weeks.py, which leaves it out where the schools themselves are named: it is planned at each place.
(empty({las:Array(String)}) OR urn IN (SELECT urn FROM school WHERE la_code IN {las:Array(String)}))
