-- One day, one row per trust, local authority, phase, school or year group. Read by sinks/reports.py (`rollcall report day`).
-- Filled in by the basis: counts, and still_missing, a condition on marks_missing.
-- Parameters: day; by (all, trust, la, phase, school, year-group); headline: 1 for rule 14's pupils and schools, 0 for all; urns: all when empty.
-- Each part brings rows with its own numbers and zeros for the rest; the outer query adds them up (rule 19: counts are
-- added, rates come last). One more row, is_total, pools them all. Findings are of every mark of the schools, whoever is in scope: not being on roll is one.
SELECT
    grouping(key) = 1 AS is_total,
    multiIf({by:String} = 'trust', trust_id, {by:String} = 'la', la_code, {by:String} = 'phase', phase,
            {by:String} = 'school', toString(urn), {by:String} = 'year-group', year_group, '') AS key,
    any(multiIf({by:String} = 'trust', trust_name, {by:String} = 'la', la_name, {by:String} = 'phase', phase,
                {by:String} = 'school', school_name, {by:String} = 'year-group', year_group, '')) AS label,
    uniqExactIf(urn, marks > 0) AS schools,
    uniqExactIf(urn, expected) AS schools_expected,
    sum(pupils) AS pupils,
    sum(possible) AS possible,
    sum(attendance) AS attendance,
    sum(authorised) AS authorised,
    sum(unauthorised) AS unauthorised,
    sum(late) AS late,
    sum(unknown) AS unknown,
    sum(missing_marks) AS missing_marks,
    sum(missing_registers) AS missing_registers,
    sum(exceptions) AS exceptions
FROM
(
    SELECT
        urn, school_name, la_code, la_name, trust_id, trust_name, phase, year_group,
        marks, possible, attendance, authorised, unauthorised, late, unknown,
        toUInt64(0) AS pupils, false AS expected, toUInt64(0) AS missing_marks, toUInt64(0) AS missing_registers,
        toUInt64(0) AS exceptions
    FROM {counts}
    WHERE session_date = {day:Date} AND has_begun AND (in_headline OR {headline:UInt8} = 0)
      AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})

    UNION ALL
    SELECT
        r.urn, any(s.school_name), any(s.la_code), any(s.la_name), any(s.trust_id), any(s.trust_name), any(s.phase), r.year_group,
        0, 0, 0, 0, 0, 0, 0,
        uniqExact(r.pupil_id), max(r.expected), 0, 0, 0
    FROM
    (
        SELECT o.urn AS urn, o.pupil_id AS pupil_id, o.year_group AS year_group, o.in_scope AS in_scope, {day:Date} AS session_date, e.urn != 0 AS expected
        FROM
        (
            SELECT urn, pupil_id, year_group, in_scope FROM roll
            WHERE {day:Date} BETWEEN first_day AND last_day AND status != 'pre-admission'
              AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
        ) AS o
        LEFT JOIN (SELECT DISTINCT urn FROM sessions_expected WHERE session_date = {day:Date} AND has_begun AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})) AS e
            ON e.urn = o.urn
        LEFT JOIN (SELECT DISTINCT urn FROM {counts} WHERE session_date = {day:Date} AND has_begun AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})) AS c
            ON c.urn = o.urn
        WHERE e.urn != 0 OR c.urn != 0
    ) AS r
    ASOF LEFT JOIN schools AS s ON s.urn = r.urn AND s.valid_from <= r.session_date
    WHERE (r.in_scope AND s.in_headline AND r.session_date <= s.valid_to) OR {headline:UInt8} = 0
    GROUP BY r.urn, r.year_group

    UNION ALL
    SELECT
        urn, school_name, la_code, la_name, trust_id, trust_name, phase, year_group,
        0, 0, 0, 0, 0, 0, 0, 0, false, 1, 0, 0
    FROM marks_missing
    WHERE session_date = {day:Date} AND (in_headline OR {headline:UInt8} = 0) AND {still_missing}
      AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})

    UNION ALL
    SELECT
        urn, school_name, la_code, la_name, trust_id, trust_name, phase, year_group,
        0, 0, 0, 0, 0, 0, 0, 0, false, 0, 1, 0
    FROM registers_missing
    WHERE session_date = {day:Date} AND (in_headline OR {headline:UInt8} = 0)
      AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})

    UNION ALL
    SELECT
        f.urn, s.school_name, s.la_code, s.la_name, s.trust_id, s.trust_name, s.phase, f.year_group,
        0, 0, 0, 0, 0, 0, 0, 0, false, 0, 0, 1
    FROM (SELECT * FROM exceptions_found WHERE session_date = {day:Date} AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})) AS f
    ASOF LEFT JOIN schools AS s ON s.urn = f.urn AND s.valid_from <= f.session_date
)
GROUP BY GROUPING SETS ((key), ())
