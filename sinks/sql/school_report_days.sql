-- A school's counts day by day, with the marks that should be there and are not. Read by sinks/school_report.py, which adds them up by
-- week and term (rule 19: counts are added, rates come last). Basis: statutory.
-- Parameters: urn, first and last session date, headline: 1 for rule 14's pupils and schools, 0 for all.
SELECT
    session_date, sum(d.marks) AS marks, sum(d.possible) AS possible, sum(d.attendance) AS attendance, sum(d.authorised) AS authorised,
    sum(d.unauthorised) AS unauthorised, sum(d.late) AS late, sum(d.unknown) AS unknown, sum(d.missing) AS missing
FROM
(
    SELECT session_date, marks, possible, attendance, authorised, unauthorised, late, unknown, toUInt64(0) AS missing
    FROM session_counts
    WHERE urn = {urn:UInt32} AND session_date BETWEEN {first:Date} AND {last:Date} AND has_begun AND (in_headline OR {headline:UInt8} = 0)
    UNION ALL
    SELECT session_date, 0, 0, 0, 0, 0, 0, 0, 1
    FROM marks_missing
    WHERE urn = {urn:UInt32} AND session_date BETWEEN {first:Date} AND {last:Date} AND (in_headline OR {headline:UInt8} = 0)
) AS d
GROUP BY session_date
ORDER BY session_date
