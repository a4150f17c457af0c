-- A school's marks of a day by code, morning and afternoon. Read by sinks/school_report.py. Basis: statutory.
-- Parameters: urn, day, headline as in school_report_days.sql.
SELECT
    n.canonical_code AS code, any(n.category) AS category, sumIf(n.marks, n.session = 'AM') AS morning,
    sumIf(n.marks, n.session = 'PM') AS afternoon
FROM session_counts AS n
WHERE n.urn = {urn:UInt32} AND n.session_date = {day:Date} AND n.has_begun AND (n.in_headline OR {headline:UInt8} = 0)
GROUP BY n.canonical_code
ORDER BY morning + afternoon DESC, code
