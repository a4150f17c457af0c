-- Marks of a day about which two systems disagree, with the rule that decided. Read by rollcall/stack/clickhouse/scoped.py.
SELECT session_date, urn, session, pupil_id, year_group, source, canonical_code, loser_source, loser_canonical_code, rule, rule_version
FROM marks_conflicting
WHERE urn IN {schools:Array(UInt32)} AND session_date = {day:Date}
ORDER BY urn, session, pupil_id, loser_source
