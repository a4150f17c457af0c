-- Where a pupil lives, as far as a roster says so: an authority answers for the children of its area, whichever authority their schools are
-- in. The authority alone, no address. Written by the reference loader (streams/reference.py) from `reference.roster.v1` version 2.
ALTER TABLE enrolment ADD COLUMN IF NOT EXISTS residence_la_code LowCardinality(String)
    COMMENT 'Authority in whose area the pupil lives; empty when nobody says';

CREATE VIEW residence
(
    urn               UInt32 COMMENT 'School',
    pupil_id          UInt64 COMMENT 'Surrogate; of a merged pupil the one that its marks count for',
    residence_la_code LowCardinality(String) COMMENT 'Authority in whose area the pupil lives; empty when nobody says'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    in_force AS (SELECT toUInt32(key) AS urn, max(taken_at) AS taken_at FROM reference_version WHERE kind = 'roster' GROUP BY key),
    merged AS
    (
        SELECT pupil_id, max(to_pupil_id) AS to_pupil_id FROM pupil_alias_in_force
        WHERE urn = 0 AND source = '' AND valid_from <= '1970-01-01' AND valid_to >= '2149-06-06' GROUP BY pupil_id
    )
SELECT
    e.urn AS urn, if(m.to_pupil_id = 0, e.pupil_id, m.to_pupil_id) AS pupil_id,
    argMax(e.residence_la_code, (e.residence_la_code != '', m.to_pupil_id = 0, e.last_day, e.first_day)) AS residence_la_code
FROM (SELECT * FROM enrolment FINAL WHERE (urn, taken_at) IN (SELECT urn, taken_at FROM in_force)) AS e
LEFT JOIN merged AS m ON m.pupil_id = e.pupil_id
GROUP BY urn, pupil_id
COMMENT 'Authority in which each pupil of a roster in force lives, merged pupils once';

CREATE VIEW residence_days
(
    session_date      Date COMMENT 'School-local date (rule 8)',
    residence_la_code LowCardinality(String) COMMENT 'Authority in whose area the pupils live; empty when nobody says',
    la_code           LowCardinality(String) COMMENT 'Authority of the schools',
    la_name           LowCardinality(String) COMMENT 'Authority of the schools',
    phase             LowCardinality(String) COMMENT 'Rule 13',
    in_headline       Bool COMMENT 'Rule 14',
    pupils            UInt64 COMMENT 'Pupils with a mark that stands, each once at each school',
    possible          UInt64 COMMENT 'attendance + absence',
    attendance        UInt64,
    authorised        UInt64,
    unauthorised      UInt64,
    late              UInt64 COMMENT 'L + U',
    unknown           UInt64 COMMENT 'No map knows the code: neither present nor absent'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, r.residence_la_code AS residence_la_code, m.la_code AS la_code, any(m.la_name) AS la_name,
    m.phase AS phase, m.in_headline AS in_headline, uniqExact(m.urn, m.pupil_id) AS pupils, sum(m.is_possible) AS possible,
    sum(m.is_attendance) AS attendance, sum(m.is_authorised) AS authorised, sum(m.is_unauthorised) AS unauthorised,
    sum(m.is_late) AS late, sum(m.is_unknown) AS unknown
FROM marks_current AS m
LEFT JOIN residence AS r ON r.urn = m.urn AND r.pupil_id = m.pupil_id
WHERE m.has_begun
GROUP BY m.session_date, r.residence_la_code, m.la_code, m.phase, m.in_headline
COMMENT 'A day by the authority where pupils live and that of their schools, by where the rosters in force say they live. Basis: statutory';
