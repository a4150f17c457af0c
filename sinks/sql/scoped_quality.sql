-- Findings of a day, accepted and refused, with what they mean and what to do. Read by rollcall/stack/clickhouse/scoped.py.
SELECT session_date, urn, finding, accepted, found, what, when_it_matters, how_to_resolve
FROM data_quality
WHERE urn IN {schools:Array(UInt32)} AND session_date = {day:Date}
ORDER BY urn, accepted, finding
