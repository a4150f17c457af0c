-- What weeks_packed.sql gives, where no week is read from its marks: reading none costs as much to plan. A part of absence_weeks.sql; read by
-- sinks/absence.py.
SELECT
    toDate(0) AS week, toUInt32(0) AS urn, false AS in_scope, toLowCardinality('') AS year_group, toLowCardinality('') AS canonical_code,
    emptyArrayUInt64() AS pupils, emptyArrayUInt16() AS marked_by
WHERE false
