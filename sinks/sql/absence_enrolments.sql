-- Enrolments (school and pupil, rule 20) with at least one possible session in a span of dates: possible and absent sessions, whether
-- persistently or severely absent and in which band, as integers (rule 19). A part of publish_pupils.sql and report_absence.sql; read by
-- sinks/absence.py and sinks/publishing.py. Basis: statutory.
-- Parameters: first, last; today: of its sessions those that have begun, of later days none; excluded: dates that no enrolment counts;
-- excluded_places: such dates of a region or authority, by its code; las, urns: all when empty; headline: 1 for rule 14's pupils and
-- schools, 0 for all. An enrolment's place is the school's on the last day that counts. Sessions before its first or after its last day
-- count nowhere here, whatever was marked: a pupil of whom the roll in force says nothing (a part split off another) counts throughout.
SELECT
    p.urn AS urn, p.pupil_id AS pupil_id, p.year_group AS year_group, p.possible AS possible, p.absent AS absent,
    10 * p.absent >= p.possible AS is_persistent, 2 * p.absent >= p.possible AS is_severe,
    least(intDiv(20 * p.absent, p.possible), 10) AS band,
    s.school_name AS school_name, s.la_code AS la_code, s.la_name AS la_name, s.region_code AS region_code, s.region_name AS region_name,
    s.trust_id AS trust_id, s.trust_name AS trust_name, s.phase AS phase
FROM
(
    SELECT
        m.urn AS urn, m.pupil_id AS pupil_id, max(m.session_date) AS last_day, argMax(m.year_group, m.session_date) AS year_group,
        sum(c.is_possible) AS possible, sum(c.is_possible AND NOT c.is_attendance) AS absent
    FROM
    (
        SELECT session_date, urn, pupil_id, canonical_code, year_group FROM mark_current FINAL
        WHERE session_date BETWEEN {first:Date} AND {last:Date} AND session_date NOT IN {excluded:Array(Date)}
          AND is_mark AND (in_scope OR {headline:UInt8} = 0)
          AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
          AND (empty({las:Array(String)}) OR urn IN (SELECT urn FROM school WHERE la_code IN {las:Array(String)}))
          AND (session_date < {today:Date} OR (session_date, urn, toString(session)) IN
              (SELECT session_date, urn, session FROM session_counts WHERE session_date = {today:Date} AND has_begun))
    ) AS m
    ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
    ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
    LEFT JOIN
    (
        SELECT urn, pupil_id, groupArrayIf((first_day, last_day), status != 'pre-admission') AS spells FROM roll
        WHERE empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)}
        GROUP BY urn, pupil_id
        HAVING NOT arrayExists(spell -> spell.1 <= {first:Date} AND spell.2 >= {last:Date}, spells)
    ) AS r ON r.urn = m.urn AND r.pupil_id = m.pupil_id
    WHERE (r.urn = 0 OR arrayExists(spell -> m.session_date BETWEEN spell.1 AND spell.2, r.spells))
      AND ((s.in_headline AND m.session_date <= s.valid_to) OR {headline:UInt8} = 0)
      AND NOT has({excluded_places:Array(Tuple(String, Date))}, (toString(s.region_code), m.session_date))
      AND NOT has({excluded_places:Array(Tuple(String, Date))}, (toString(s.la_code), m.session_date))
    GROUP BY m.urn, m.pupil_id
    HAVING possible > 0
) AS p
ASOF LEFT JOIN schools AS s ON s.urn = p.urn AND s.valid_from <= p.last_day
WHERE empty({las:Array(String)}) OR s.la_code IN {las:Array(String)}
