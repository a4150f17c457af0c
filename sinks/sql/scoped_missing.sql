-- Pupils of a day without a mark that should have one. Read by rollcall/stack/clickhouse/scoped.py.
SELECT session_date, urn, session, pupil_id, year_group, in_headline
FROM marks_missing
WHERE urn IN {schools:Array(UInt32)} AND session_date = {day:Date}
ORDER BY urn, session, year_group, pupil_id
