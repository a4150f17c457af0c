-- Enrolments of some pupils by the roster in force. Read by sinks/pupil_aliases.py.
SELECT
    urn, pupil_id, first_day, last_day, toString(status) AS status, toString(year_group) AS year_group,
    toString(residence_la_code) AS residence_la_code
FROM enrolment FINAL
WHERE pupil_id IN {pupils:Array(UInt64)}
  AND urn IN (SELECT urn FROM crosswalk WHERE pupil_id IN {pupils:Array(UInt64)})
  AND (urn, taken_at) IN (SELECT toUInt32(key), max(taken_at) FROM reference_version WHERE kind = 'roster' GROUP BY key)
ORDER BY urn, pupil_id, first_day
