-- The lessons that timetables in force have, whatever the group and weekday. Read by the worker (streams/world.py): a mark of a lesson that
-- the timetable of its date does not have is refused (rule 1). An empty list of URNs is all schools.
SELECT DISTINCT urn, toString(period) AS lesson, valid_from, valid_to
FROM expected_register
WHERE period != '' AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
  AND (urn, taken_at) IN (SELECT toUInt32(key), max(taken_at) FROM reference_version WHERE kind = 'register' GROUP BY key)
ORDER BY urn, lesson, valid_from
