-- How many findings of each kind a session date has, and at how many schools. Read by sinks/quality.py.
-- Of no date, and as known now, are the references that a roster gives to two pupils.
SELECT kind, of, sum(n) AS found, uniqExact(urn) AS schools, any(w) AS what, any(m) AS when_it_matters, any(h) AS how_to_resolve
FROM
(
    SELECT 'coverage' AS kind, 'school' AS of, urn, toUInt64(1) AS n, '' AS w, '' AS m, '' AS h FROM quality_coverage WHERE session_date = {day:Date}
    UNION ALL SELECT 'silent_schools', 'school', urn, 1, '', '', '' FROM quality_silent_schools WHERE session_date = {day:Date}
    UNION ALL SELECT 'late_sources', 'school', urn, 1, '', '', '' FROM quality_late_sources WHERE session_date = {day:Date}
    UNION ALL SELECT 'unmapped_codes', 'school', urn, 1, '', '', '' FROM quality_unmapped_codes WHERE session_date = {day:Date}
    UNION ALL SELECT 'duplicate_ids', 'school', urn, ids, '', '', '' FROM quality_duplicate_ids WHERE session_date IN ({day:Date}, toDate(0))
    UNION ALL SELECT 'impossible_totals', 'school', urn, 1, '', '', '' FROM quality_impossible_totals WHERE session_date = {day:Date}
    UNION ALL SELECT 'sudden_changes', 'school', urn, 1, '', '', '' FROM quality_sudden_changes WHERE session_date = {day:Date}
    UNION ALL
    SELECT finding, if(accepted, 'accepted', 'quarantined'), urn, found, what, when_it_matters, how_to_resolve
    FROM data_quality WHERE session_date = {day:Date}
)
GROUP BY kind, of
ORDER BY transform(of, ['school', 'accepted', 'quarantined'], [1, 2, 3], 4), found DESC, kind
