-- The marks that count of a day, pupil by pupil. Read by rollcall/stack/clickhouse/scoped.py.
SELECT session_date, urn, session, pupil_id, year_group, source, raw_code, canonical_code, label, category, minutes_late, asserted_at,
    exceptions, disagree
FROM marks_current
WHERE urn IN {schools:Array(UInt32)} AND session_date = {day:Date}
ORDER BY urn, session, year_group, pupil_id
