-- Views on reference data: what is in force, school by school and day by day. Read by the views on marks (0005), the views on
-- what is missing (0006), the reports and analysts. Every view is right without FINAL: it is inside.
-- Views run with the rights of who made them, so that a reader needs no right on the tables below.

CREATE TABLE quarantine_kind
(
    name            LowCardinality(String) COMMENT 'Reason, as in quarantine',
    what            String COMMENT 'What it is',
    when_it_matters String COMMENT 'When it matters',
    how_to_resolve  String COMMENT 'How to resolve it'
)
ENGINE = ReplacingMergeTree
ORDER BY name
COMMENT 'Reasons for quarantine, and what to do';

CREATE VIEW code_categories
(
    canonical_code LowCardinality(String) COMMENT 'National code',
    label          String COMMENT 'What it means',
    category       LowCardinality(String) COMMENT 'What it counts as',
    is_possible    Bool COMMENT 'In possible sessions',
    is_attendance  Bool COMMENT 'Counts as attendance (approved activity too)',
    absence_type   LowCardinality(String) COMMENT 'authorised, unauthorised or empty',
    is_late        Bool COMMENT 'L or U',
    applies_from   Date COMMENT 'First session date this row is used for; the first row of a code from ever on (rule 4)'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    canonical_code, label, category, in_possible_sessions AS is_possible, counts_as_attendance AS is_attendance, absence_type,
    canonical_code IN ('L', 'U') AS is_late,
    if(valid_from = min(valid_from) OVER (PARTITION BY canonical_code), toDate(0), valid_from) AS applies_from
FROM code_category FINAL
COMMENT 'What each code counts as, from a session date on. Rule 4: outside its dates a code keeps its last (or first) category';

-- A message says the facts from its valid_from on, so it overrules whatever was taken earlier for the same or later days.
CREATE VIEW schools
(
    urn                UInt32 COMMENT 'GIAS URN',
    school_name        String,
    la_code            LowCardinality(String) COMMENT 'Local authority of the school',
    la_name            LowCardinality(String),
    region_code        LowCardinality(String),
    region_name        LowCardinality(String),
    trust_id           LowCardinality(String) COMMENT 'Empty: in no trust',
    trust_name         LowCardinality(String),
    establishment_type LowCardinality(String),
    phase              LowCardinality(String) COMMENT 'Rule 13',
    state_funded       Bool,
    in_headline        Bool COMMENT 'Rule 14, school part: state-funded primary, secondary or special',
    status             LowCardinality(String) COMMENT 'open or closed',
    valid_from         Date COMMENT 'First day of these facts',
    valid_to           Date COMMENT 'Last day of these facts; 2149-06-06 is open'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    f.urn AS urn, f.name AS school_name, la_code, la_name, region_code, region_name, trust_id, trust_name, establishment_type,
    phase, state_funded, state_funded AND phase IN ('Primary', 'Secondary', 'Special') AS in_headline, status,
    f.valid_from AS valid_from, if(f.next_from = toDate('2149-06-06'), f.valid_to, least(f.valid_to, f.next_from - 1)) AS valid_to
FROM
(
    SELECT *, leadInFrame(valid_from, 1, toDate('2149-06-06'))
        OVER (PARTITION BY urn ORDER BY valid_from ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_from
    FROM
    (
        SELECT *, max(taken_at) OVER (PARTITION BY urn ORDER BY valid_from ROWS UNBOUNDED PRECEDING) AS latest_so_far
        FROM (SELECT * FROM school FINAL ORDER BY taken_at DESC LIMIT 1 BY urn, valid_from)
    )
    WHERE taken_at = latest_so_far
) AS f
COMMENT 'Schools as they were: join on urn and the session date between valid_from and valid_to (rule 12)';

CREATE VIEW roll
(
    urn           UInt32 COMMENT 'School',
    pupil_id      UInt64 COMMENT 'Surrogate',
    first_day     Date COMMENT 'Inclusive',
    last_day      Date COMMENT 'Inclusive; 2149-06-06 is open',
    status        LowCardinality(String) COMMENT 'main, subsidiary, guest or pre-admission',
    year_group    LowCardinality(String) COMMENT 'N1, N2, R, 1 to 13',
    age_31_august UInt8 COMMENT 'Years',
    boarder       Bool,
    part_time     Bool,
    in_scope      Bool COMMENT 'Rule 14, pupil part',
    never_missing Bool COMMENT 'Rule 15: boarder, part-time nursery or pre-admission',
    is_post_16    Bool COMMENT 'Rule 15: missing only where a register of one of the pupil''s groups is expected'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    urn, pupil_id, first_day, last_day, status, year_group, age_31_august, boarder, part_time, in_scope,
    boarder OR status = 'pre-admission' OR (part_time AND year_group IN ('N1', 'N2')) AS never_missing,
    year_group IN ('12', '13', '14') OR age_31_august >= 16 AS is_post_16
FROM enrolment FINAL
WHERE (urn, taken_at) IN
    (SELECT toUInt32(key), max(taken_at) FROM reference_version WHERE kind = 'roster' GROUP BY key)
COMMENT 'Enrolments by the roster in force (rule 11)';

CREATE VIEW group_members
(
    urn       UInt32 COMMENT 'School',
    group_id  LowCardinality(String),
    pupil_id  UInt64,
    first_day Date COMMENT 'Inclusive',
    last_day  Date COMMENT 'Inclusive; 2149-06-06 is open'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT DISTINCT urn, group_id, pupil_id, first_day, last_day
FROM group_membership
WHERE (urn, taken_at) IN
    (SELECT toUInt32(key), max(taken_at) FROM reference_version WHERE kind = 'roster' GROUP BY key)
COMMENT 'Who is in which group, by the roster in force';

CREATE VIEW registers_timetabled
(
    urn        UInt32 COMMENT 'School',
    group_id   LowCardinality(String),
    session    LowCardinality(String) COMMENT 'AM or PM',
    opens_at   LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    closes_at  LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    weekdays   Array(UInt8) COMMENT 'ISO weekdays, 1 is Monday',
    valid_from Date COMMENT 'Inclusive',
    valid_to   Date COMMENT 'Inclusive; 2149-06-06 is open'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT urn, group_id, session, opens_at, closes_at, weekdays, valid_from, valid_to
FROM expected_register FINAL
WHERE period = '' AND (urn, taken_at) IN
    (SELECT toUInt32(key), max(taken_at) FROM reference_version WHERE kind = 'register' GROUP BY key)
COMMENT 'Session registers that schools expect, by the timetable in force; lesson registers are not here (rule 7)';

-- Each academic year of a school has its own calendar, so the one in force is chosen per year.
CREATE VIEW open_days
(
    session_date Date,
    urn          UInt32 COMMENT 'School'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT DISTINCT days.session_date AS session_date, terms.urn AS urn
FROM (SELECT DISTINCT arrayJoin(arrayMap(n -> first_day + n, range(toUInt32(last_day - first_day + 1)))) AS session_date
      FROM (SELECT DISTINCT first_day, last_day FROM calendar_term WHERE last_day >= first_day)) AS days
CROSS JOIN
(
    SELECT DISTINCT urn, first_day, last_day FROM calendar_term
    WHERE (urn, academic_year, taken_at) IN (SELECT urn, academic_year, max(taken_at) FROM calendar_term GROUP BY ALL)
) AS terms
WHERE days.session_date BETWEEN terms.first_day AND terms.last_day
  AND (terms.urn, days.session_date) NOT IN
    (
        SELECT urn, arrayJoin(arrayMap(n -> first_day + n, range(toUInt32(last_day - first_day + 1))))
        FROM calendar_closure
        WHERE last_day >= first_day AND (urn, academic_year, taken_at) IN
            (SELECT urn, academic_year, max(taken_at) FROM calendar_term GROUP BY ALL)
    )
COMMENT 'Days within a school''s terms and outside its closures, weekends included (rule 21)';

CREATE VIEW registers_expected
(
    session_date Date,
    urn          UInt32 COMMENT 'School',
    session      LowCardinality(String) COMMENT 'AM or PM',
    group_id     LowCardinality(String),
    opens_at     LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    closes_at    LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    has_begun    Bool COMMENT 'The register has opened'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    d.session_date AS session_date, d.urn AS urn, r.session AS session, r.group_id AS group_id,
    min(r.opens_at) AS opens_at, max(r.closes_at) AS closes_at,
    d.session_date < toDate(now('Europe/London'))
        OR (d.session_date = toDate(now('Europe/London')) AND min(r.opens_at) <= formatDateTime(now('Europe/London'), '%H:%i'))
        AS has_begun
FROM open_days AS d
INNER JOIN registers_timetabled AS r ON r.urn = d.urn
WHERE d.session_date BETWEEN r.valid_from AND r.valid_to AND has(r.weekdays, toDayOfWeek(d.session_date))
GROUP BY d.session_date, d.urn, r.session, r.group_id
COMMENT 'Session registers expected, day by day';

-- A school without a timetable is expected to mark morning and afternoon from Monday to Friday.
CREATE VIEW sessions_expected
(
    session_date Date,
    urn          UInt32 COMMENT 'School',
    session      LowCardinality(String) COMMENT 'AM or PM',
    has_begun    Bool COMMENT 'The session has begun; AM at 00:00 and PM at 12:00 where no timetable says'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT r.session_date AS session_date, r.urn AS urn, r.session AS session, max(r.has_begun) AS has_begun
FROM registers_expected AS r
GROUP BY r.session_date, r.urn, r.session
UNION ALL
SELECT session_date, urn, arrayJoin(['AM', 'PM']) AS session,
    session_date < toDate(now('Europe/London'))
        OR (session_date = toDate(now('Europe/London')) AND (session = 'AM' OR toHour(now('Europe/London')) >= 12)) AS has_begun
FROM open_days
WHERE toDayOfWeek(session_date) <= 5 AND urn NOT IN (SELECT urn FROM registers_timetabled)
COMMENT 'Sessions each school is expected to mark, day by day';

CREATE VIEW session_openings
(
    urn      UInt32 COMMENT 'School',
    session  LowCardinality(String) COMMENT 'AM or PM',
    opens_at LowCardinality(String) COMMENT 'HH:MM, Europe/London: when its first register opens today'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT t.urn AS urn, t.session AS session, min(t.opens_at) AS opens_at
FROM registers_timetabled AS t
WHERE toDate(now('Europe/London')) BETWEEN valid_from AND valid_to
  AND has(weekdays, toDayOfWeek(now('Europe/London')))
GROUP BY t.urn, t.session
COMMENT 'When each session of each school begins today';
