-- Rule 24: what each school of the headline that was open as a school on a session date was on it, as its registers tell: open,
-- restricted, closed, unknown or not expected. Read by sinks/strike.py. Basis: statutory. Codes and thresholds are parameters,
-- from rollcall/domain/strike_rules.csv; that this rule tells one from the other is an assumption of ours.
--
-- Who is asked about: pupils on roll that day who can be missing (rule 15), nursery and post-16 years aside: `pupils`.
-- What is evidence: marks that stand of sessions that have begun, of those years, with a code that a map knows. Codes aside (D, X
-- and Z: elsewhere, not required, not on roll) tell nothing of the school and are no evidence: `told` is the rest.
--
-- A session, by shares of what is told:
--   unknown       no roll, or told are fewer than marked_percent of the pupils. No register is no closure
--   not expected  codes of a planned closure are closed_percent or more
--   closed        those and codes of a closed site are closed_percent or more
--   restricted    all codes of pupils told to stay away are restricted_percent or more; or year_group_percent or more of a year
--                 group in which year_group_pupils or more are told
--   open          otherwise
-- A day, by its sessions that are not unknown: none: unknown; else by those expected, none: not expected; all open: open; all closed:
-- closed; else restricted.
SELECT
    urn, any(t.la_code) AS la_code, any(t.la_name) AS la_name, any(t.region_code) AS region_code, any(t.region_name) AS region_name,
    any(t.phase) AS phase,
    multiIf(known = 0, 'unknown', expected = 0, 'not expected', countIf(t.was = 'open') = expected, 'open',
        countIf(t.was = 'closed') = expected, 'closed', 'restricted') AS status,
    sum(t.marks) > 0 AS has_responded, toUInt32(any(t.pupils)) AS pupils, toUInt32(sum(t.marks)) AS marks,
    countIf(t.was != 'unknown') AS known, countIf(t.was NOT IN ('unknown', 'not expected')) AS expected
FROM
(
    SELECT
        s.urn AS urn, s.la_code AS la_code, s.la_name AS la_name, s.region_code AS region_code, s.region_name AS region_name,
        s.phase AS phase, r.pupils AS pupils, m.marks AS marks,
        multiIf(
            r.pupils = 0 OR m.told = 0 OR 100 * m.told < {marked_percent:UInt8} * r.pupils, 'unknown',
            100 * m.planned >= {closed_percent:UInt8} * m.told, 'not expected',
            100 * (m.planned + m.shut) >= {closed_percent:UInt8} * m.told, 'closed',
            100 * (m.planned + m.away) >= {restricted_percent:UInt8} * m.told OR m.whole_years > 0, 'restricted',
            'open') AS was
    FROM
    (
        SELECT urn, la_code, la_name, region_code, region_name, phase FROM schools
        WHERE in_headline AND (status = 'open' OR closed_on < '2149-06-06')
          AND {day:Date} BETWEEN valid_from AND valid_to AND {day:Date} BETWEEN opened_on AND closed_on
    ) AS s
    LEFT JOIN
    (
        SELECT urn, count() AS pupils FROM roll
        WHERE {day:Date} BETWEEN first_day AND last_day AND NOT never_missing AND NOT is_post_16 AND year_group NOT IN ('N1', 'N2')
        GROUP BY urn
    ) AS r ON r.urn = s.urn
    LEFT JOIN
    (
        SELECT
            y.urn AS urn, y.session AS session, sum(y.marks) AS marks, sum(y.told) AS told, sum(y.planned) AS planned, sum(y.shut) AS shut,
            sum(y.away) AS away,
            countIf(y.told >= {year_group_pupils:UInt16} AND 100 * (y.planned + y.away) >= {year_group_percent:UInt8} * y.told) AS whole_years
        FROM
        (
            SELECT
                urn, session, year_group, sum(c.marks) AS marks,
                sumIf(c.marks, canonical_code != '' AND canonical_code NOT IN {aside_codes:Array(String)}) AS told,
                sumIf(c.marks, canonical_code IN {not_expected_codes:Array(String)}) AS planned,
                sumIf(c.marks, canonical_code IN {closed_codes:Array(String)}) AS shut,
                sumIf(c.marks, canonical_code IN arrayConcat({closed_codes:Array(String)}, {restricted_codes:Array(String)})) AS away
            FROM session_counts AS c
            WHERE session_date = {day:Date} AND has_begun AND year_group NOT IN ('N1', 'N2', '12', '13', '14')
            GROUP BY urn, session, year_group
        ) AS y
        GROUP BY y.urn, y.session
    ) AS m ON m.urn = s.urn
) AS t
GROUP BY urn
ORDER BY urn
