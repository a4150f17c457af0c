-- Enrolments by the roster in force, of some schools or of all (no URN given). Read by the worker (streams/crosswalk.py).
SELECT urn, pupil_id, first_day, last_day, CAST(year_group, 'String') AS year_group, in_scope
FROM enrolment FINAL
WHERE (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
  AND (urn, taken_at) IN
    (SELECT toUInt32(key), max(taken_at) FROM reference_version WHERE kind = 'roster' GROUP BY key)
