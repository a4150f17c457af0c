-- No session that has begun today, where today is not asked about: absence_begun.sql costs more to plan than to answer. A part of
-- absence_weeks.sql; read by sinks/absence.py.
SELECT toUInt32(0) AS urn, toUInt16(0) AS begun WHERE false
