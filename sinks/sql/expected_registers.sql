-- The registers that a school expects on one day by the timetable known at an instant, lesson registers too, whether or not
-- the school is open. Read by sinks/expected.py (`rollcall expected`). The conditions are those of the view registers_expected.
-- Parameters: urn, day, week (empty: not named), known (microseconds since 1970).
SELECT
    CAST(session, 'String') AS in_session, CAST(period, 'String') AS lesson, CAST(group_id, 'String') AS of_group,
    arraySort(groupUniqArrayArray(groups)) AS whose, min(opens_at) AS opens, max(closes_at) AS closes
FROM timetable_versions
WHERE urn = {urn:UInt32}
  AND toUnixTimestamp64Micro(known_from) <= {known:Int64} AND {known:Int64} < toUnixTimestamp64Micro(known_until)
  AND {day:Date} BETWEEN valid_from AND valid_to AND has(weekdays, toDayOfWeek({day:Date}))
  AND (empty(weeks) OR {week:String} = '' OR has(weeks, {week:String}))
GROUP BY session, period, group_id
ORDER BY opens, session, lesson, of_group
