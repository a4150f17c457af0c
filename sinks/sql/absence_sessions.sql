-- The marks that count of a span of dates, one by one, with what their code counts as and the school as it was. A part of
-- absence_enrolments.sql and of the returns (report_returns_*.sql); read by sinks/absence.py. Basis: statutory.
-- Parameters: first, last; today: of its sessions those that have begun, of later days none; excluded: dates that no enrolment counts;
-- excluded_places: such dates of a region or authority, by its code; las (of schools that were, by any version, one of theirs), urns:
-- all when empty; headline: 1 for rule 14's pupils and schools, 0 for all. Sessions before a pupil's first or after its last day count
-- nowhere here, whatever was marked: a pupil of whom the roll in force says nothing (a part split off another) counts throughout.
-- What is asked of every mark costs: a condition that no mark of these dates can fail is left out before (the constants stand first).
-- Filled in: of_authorities.
SELECT
    m.session_date AS session_date, m.urn AS urn, m.session AS session, m.pupil_id AS pupil_id, m.year_group AS year_group,
    m.canonical_code AS canonical_code, c.is_possible AS is_possible, c.is_attendance AS is_attendance, c.absence_type AS absence_type
FROM
(
    SELECT session_date, urn, session, pupil_id, canonical_code, year_group FROM mark_current FINAL
    WHERE session_date BETWEEN {first:Date} AND {last:Date} AND session_date NOT IN {excluded:Array(Date)}
      AND is_mark AND (in_scope OR {headline:UInt8} = 0)
      AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
      AND {of_authorities}
      AND ({last:Date} < {today:Date} OR session_date < {today:Date} OR (session_date, urn, toUInt8(session)) IN
          (SELECT session_date, urn, toUInt8(if(session = 'AM', 1, 2)) FROM session_counts WHERE session_date = {today:Date} AND has_begun))
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
  AND (empty({excluded_places:Array(Tuple(String, Date))})
       OR (NOT has({excluded_places:Array(Tuple(String, Date))}, (toString(s.region_code), m.session_date))
           AND NOT has({excluded_places:Array(Tuple(String, Date))}, (toString(s.la_code), m.session_date))))
