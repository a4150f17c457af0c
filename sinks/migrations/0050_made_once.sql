-- What every question about schools, rolls and today asked for anew, made once when reference data comes: planning it was most of what a
-- question about one school cost (docs/performance.md). Written by the reference loader (sinks/reference.py), made from the versions of
-- then as at an instant (sinks/sql/as_at_tables.sql). The versions stay where they are; these tables hold what stands.

CREATE TABLE school_span
(
    urn                  UInt32,
    valid_from           Date COMMENT 'First day of these facts',
    valid_to             Date COMMENT 'Last day of these facts, before the next span begins; 2149-06-06 is open',
    name                 String,
    la_code              LowCardinality(String),
    la_name              LowCardinality(String),
    region_code          LowCardinality(String),
    region_name          LowCardinality(String),
    trust_id             LowCardinality(String),
    trust_name           LowCardinality(String),
    establishment_type   LowCardinality(String),
    phase                LowCardinality(String),
    state_funded         Bool,
    status               LowCardinality(String),
    establishment_number LowCardinality(String),
    phase_of_education   LowCardinality(String),
    establishment_status LowCardinality(String),
    trust_school_flag    LowCardinality(String),
    opened_on            Date,
    closed_on            Date,
    used_until           Date COMMENT 'The day before the next span begins; 2149-06-06 for the last one',
    stands               Bool COMMENT 'No later message spoke of an earlier day and so of these days too',
    version              UInt64 COMMENT 'How many messages of the school it is made of'
)
ENGINE = ReplacingMergeTree(version) ORDER BY (urn, valid_from)
COMMENT 'Spans of the facts of schools, made of `school`; sinks/sql/school_spans.sql';

-- As sinks/sql/school_spans.sql has it.
INSERT INTO school_span
SELECT
    urn, valid_from, if(next_from = toDate('2149-06-06'), valid_to, least(valid_to, next_from - 1)), name, la_code, la_name, region_code,
    region_name, trust_id, trust_name, establishment_type, phase, state_funded, status, establishment_number, phase_of_education,
    establishment_status, trust_school_flag, opened_on, closed_on,
    if(next_from = toDate('2149-06-06'), next_from, next_from - 1), stands, messages
FROM
(
    SELECT *, leadInFrame(valid_from, 1, toDate('2149-06-06'))
        OVER (PARTITION BY urn, stands ORDER BY valid_from ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_from
    FROM
    (
        SELECT *, taken_at = max(taken_at) OVER (PARTITION BY urn ORDER BY valid_from ROWS UNBOUNDED PRECEDING) AS stands
        FROM
        (
            SELECT *, count() OVER (PARTITION BY urn) AS messages FROM school FINAL
            ORDER BY taken_at DESC
            LIMIT 1 BY urn, valid_from
        )
    )
)
WHERE (urn, messages) NOT IN (SELECT urn, version FROM school_span);

CREATE OR REPLACE VIEW schools
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
    status             LowCardinality(String) COMMENT 'open, closed or proposed, as known now',
    valid_from         Date COMMENT 'First day of these facts',
    valid_to           Date COMMENT 'Last day of these facts; 2149-06-06 is open',
    establishment_number LowCardinality(String) COMMENT 'With la_code the LAESTAB',
    phase_of_education LowCardinality(String) COMMENT 'GIAS''s own words',
    establishment_status LowCardinality(String) COMMENT 'GIAS''s own words, as known now',
    trust_school_flag  LowCardinality(String) COMMENT 'GIAS: what kind of trust supports the school',
    opened_on          Date COMMENT '1970-01-01 when nobody says, or earlier than that',
    closed_on          Date COMMENT 'Last day of the school; 2149-06-06 while open',
    used_until         Date COMMENT 'Last day for which these facts are used: that before the next begin, valid or not'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    urn, name AS school_name, la_code, la_name, region_code, region_name, trust_id, trust_name, establishment_type, phase, state_funded,
    state_funded AND phase IN ('Primary', 'Secondary', 'Special') AS in_headline, status, valid_from, valid_to, establishment_number,
    phase_of_education, establishment_status, trust_school_flag, opened_on, closed_on, used_until
FROM school_span FINAL
WHERE stands
COMMENT 'Schools as they were: join on urn and the session date between valid_from and valid_to (rule 12)';

-- As in 0045, and planned as one part of a question instead of two.
CREATE OR REPLACE VIEW code_categories
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
    canonical_code IN ('L', 'U') AS is_late, applies_from
FROM (SELECT *, max(version) OVER (PARTITION BY canonical_code) AS latest FROM code_category FINAL)
WHERE version = latest
COMMENT 'What each code counts as, from a session date on. Rule 4: outside its dates a code keeps its last (or first) category';

-- As in 0005. No ASOF join: through one a question about one school reads the facts of all.
CREATE OR REPLACE VIEW session_counts
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    year_group     LowCardinality(String),
    in_scope       Bool COMMENT 'Rule 14, pupil part',
    in_headline    Bool COMMENT 'Rule 14, pupil and school',
    canonical_code LowCardinality(String) COMMENT 'Empty when no map knows the code',
    category       LowCardinality(String) COMMENT 'unknown when no map knows the code',
    has_begun      Bool COMMENT 'The session has begun; before that nothing counts',
    marks          UInt64,
    possible       UInt64 COMMENT 'attendance + absence',
    attendance     UInt64,
    authorised     UInt64 COMMENT 'Authorised absence',
    unauthorised   UInt64 COMMENT 'Unauthorised absence',
    late           UInt64 COMMENT 'L + U',
    unknown        UInt64 COMMENT 'No map knows the code',
    school_name    String,
    la_code        LowCardinality(String),
    la_name        LowCardinality(String),
    region_name    LowCardinality(String),
    trust_id       LowCardinality(String),
    trust_name     LowCardinality(String),
    phase          LowCardinality(String) COMMENT 'Rule 13'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, m.urn AS urn, toString(m.session) AS session, m.year_group AS year_group,
    m.in_scope AS in_scope, m.in_scope AND s.in_headline AND m.session_date <= s.valid_to AS in_headline,
    m.canonical_code AS canonical_code, if(m.canonical_code = '', 'unknown', c.category) AS category,
    m.session_date < toDate(now('Europe/London')) OR (m.session_date = toDate(now('Europe/London')) AND if(o.opens_at = '',
        m.session = 'AM' OR toHour(now('Europe/London')) >= 12, o.opens_at <= formatDateTime(now('Europe/London'), '%H:%i')))
        AS has_begun,
    m.marks AS marks, m.marks * c.is_possible AS possible, m.marks * c.is_attendance AS attendance,
    m.marks * (c.absence_type = 'authorised') AS authorised, m.marks * (c.absence_type = 'unauthorised') AS unauthorised,
    m.marks * c.is_late AS late, m.marks * (m.canonical_code = '') AS unknown,
    s.school_name AS school_name, s.la_code AS la_code, s.la_name AS la_name, s.region_name AS region_name,
    s.trust_id AS trust_id, s.trust_name AS trust_name, s.phase AS phase
FROM (SELECT * FROM school_session FINAL WHERE marks > 0) AS m
LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date AND m.session_date <= s.used_until
ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
LEFT JOIN session_openings AS o ON o.urn = m.urn AND o.session = toString(m.session)
COMMENT 'Counts per school, session, year group, scope and code: add them up, then divide (rule 19)';

CREATE TABLE school_calendar
(
    urn             UInt32,
    academic_year   LowCardinality(String),
    taken_at        DateTime64(3, 'UTC') COMMENT 'Names the version of the calendar; the greatest is in force',
    week_commencing Array(Date) COMMENT 'Mondays of the weeks with an open day',
    week            Array(LowCardinality(String)) COMMENT 'Their names in the school''s cycle, as A or B; empty for none',
    days            Array(Array(UInt8)) COMMENT 'Their open ISO weekdays'
)
ENGINE = ReplacingMergeTree(taken_at) ORDER BY (urn, academic_year)
COMMENT 'The calendar in force of each school and year: school_week of its latest version';

-- As sinks/sql/school_calendars.sql has it.
INSERT INTO school_calendar
WITH in_force AS
(
    SELECT urn, academic_year, taken_at
    FROM (SELECT urn, academic_year, max(taken_at) AS taken_at FROM calendar_term GROUP BY urn, academic_year)
    WHERE (urn, academic_year, taken_at) NOT IN (SELECT urn, academic_year, taken_at FROM school_calendar)
)
SELECT t.urn AS urn, t.academic_year AS academic_year, t.taken_at AS taken_at, w.mondays AS week_commencing, w.names AS week, w.open AS days
FROM in_force AS t
LEFT JOIN
(
    SELECT urn, academic_year, taken_at, groupArray(week_commencing) AS mondays, groupArray(week) AS names, groupArray(days) AS open
    FROM
    (
        SELECT DISTINCT urn, academic_year, taken_at, week_commencing, week, days FROM school_week
        WHERE (urn, academic_year, taken_at) IN (SELECT urn, academic_year, taken_at FROM in_force)
    )
    GROUP BY urn, academic_year, taken_at
) AS w ON w.urn = t.urn AND w.academic_year = t.academic_year AND w.taken_at = t.taken_at;

CREATE OR REPLACE VIEW open_days
(
    session_date Date,
    urn          UInt32 COMMENT 'School',
    week         LowCardinality(String) COMMENT 'Name of the week in the school''s cycle, as A or B; empty for none'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT w.monday + (day - 1) AS session_date, w.urn AS urn, max(w.name) AS week
FROM
(
    SELECT urn, monday, name, open
    FROM school_calendar FINAL
    ARRAY JOIN week_commencing AS monday, week AS name, days AS open
) AS w
ARRAY JOIN w.open AS day
GROUP BY session_date, urn
COMMENT 'Days within a school''s terms and outside its closures, weekends included (rule 21)';

CREATE OR REPLACE VIEW school_weeks
(
    urn             UInt32 COMMENT 'School',
    week_commencing Date COMMENT 'A Monday',
    week            LowCardinality(String) COMMENT 'Name of the week in the school''s cycle, as A or B'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT DISTINCT urn, monday AS week_commencing, name AS week
FROM school_calendar FINAL
ARRAY JOIN week_commencing AS monday, week AS name
WHERE name != ''
COMMENT 'Which week of its cycle a school is in, of schools whose calendar names weeks';

CREATE TABLE school_opening
(
    urn        UInt32,
    taken_at   DateTime64(3, 'UTC') COMMENT 'Names the version of the timetable; the greatest is in force',
    session    Array(LowCardinality(String)) COMMENT 'AM or PM',
    opens_at   Array(LowCardinality(String)) COMMENT 'HH:MM, Europe/London: when the first of these registers opens',
    weekdays   Array(Array(UInt8)) COMMENT 'ISO weekdays',
    weeks      Array(Array(String)) COMMENT 'Weeks of the school''s cycle; empty: every week',
    valid_from Array(Date) COMMENT 'Inclusive',
    valid_to   Array(Date) COMMENT 'Inclusive; 2149-06-06 is open'
)
ENGINE = ReplacingMergeTree(taken_at) ORDER BY urn
COMMENT 'When sessions begin by the timetable in force of each school: the session registers of its latest version, drawn together';

-- As sinks/sql/school_openings.sql has it.
INSERT INTO school_opening
WITH in_force AS
(
    SELECT urn, taken_at
    FROM (SELECT toUInt32(key) AS urn, max(taken_at) AS taken_at FROM reference_version WHERE kind = 'register' GROUP BY key)
    WHERE (urn, taken_at) NOT IN (SELECT urn, taken_at FROM school_opening)
)
SELECT
    v.urn AS urn, v.taken_at AS taken_at, r.sessions AS session, r.openings AS opens_at, r.on AS weekdays, r.cycles AS weeks,
    r.first_days AS valid_from, r.last_days AS valid_to
FROM in_force AS v
LEFT JOIN
(
    SELECT
        urn, taken_at, groupArray(session) AS sessions, groupArray(opens) AS openings, groupArray(weekdays) AS on, groupArray(weeks) AS cycles,
        groupArray(valid_from) AS first_days, groupArray(valid_to) AS last_days
    FROM
    (
        SELECT urn, taken_at, session, min(opens_at) AS opens, weekdays, weeks, valid_from, valid_to
        FROM expected_register
        WHERE period = '' AND (urn, taken_at) IN (SELECT urn, taken_at FROM in_force)
        GROUP BY urn, taken_at, session, weekdays, weeks, valid_from, valid_to
    )
    GROUP BY urn, taken_at
) AS r ON r.urn = v.urn AND r.taken_at = v.taken_at;

CREATE OR REPLACE VIEW session_openings
(
    urn      UInt32 COMMENT 'School',
    session  LowCardinality(String) COMMENT 'AM or PM',
    opens_at LowCardinality(String) COMMENT 'HH:MM, Europe/London: when its first register opens today'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT t.urn AS urn, t.half AS session, min(t.opens) AS opens_at
FROM
(
    SELECT urn, half, opens, cycle
    FROM school_opening FINAL
    ARRAY JOIN session AS half, opens_at AS opens, weekdays AS on, weeks AS cycle, valid_from AS first, valid_to AS last
    WHERE toDate(now('Europe/London')) BETWEEN first AND last AND has(on, toDayOfWeek(now('Europe/London')))
) AS t
LEFT JOIN
(
    SELECT urn, week[indexOf(week_commencing, toMonday(toDate(now('Europe/London'))))] AS name
    FROM school_calendar FINAL
    WHERE has(week_commencing, toMonday(toDate(now('Europe/London')))) AND name != ''
) AS w ON w.urn = t.urn
WHERE empty(t.cycle) OR w.name = '' OR has(t.cycle, w.name)
GROUP BY t.urn, t.half
COMMENT 'When each session of each school begins today';

CREATE TABLE merged_pupil
(
    pupil_id    UInt64,
    to_pupil_id UInt64 COMMENT 'Whom all its marks count for; itself, when those of another do; 0: nobody merged any more',
    version     UInt64 COMMENT 'One more than the greatest before'
)
ENGINE = ReplacingMergeTree(version) ORDER BY pupil_id
COMMENT 'Pupils who are one pupil, by the aliases in force of all marks; sinks/sql/merged_pupils.sql';

-- As sinks/sql/merged_pupils.sql has it.
INSERT INTO merged_pupil
SELECT pair.1, pair.2, 1
FROM
(
    SELECT DISTINCT arrayJoin([(pupil_id, counts_for), (counts_for, counts_for)]) AS pair
    FROM
    (
        SELECT pupil_id, max(to_pupil_id) AS counts_for
        FROM pupil_alias_in_force
        WHERE urn = 0 AND source = '' AND valid_from <= '1970-01-01' AND valid_to >= '2149-06-06'
        GROUP BY pupil_id
    )
)
WHERE pair.1 NOT IN (SELECT pupil_id FROM merged_pupil);

-- As in 0029. What a merged pupil has of its own enrolments is left out where the other has one of the same time.
CREATE OR REPLACE VIEW roll
(
    urn           UInt32 COMMENT 'School',
    pupil_id      UInt64 COMMENT 'Surrogate; of a merged pupil the one that its marks count for',
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
AS
WITH in_force AS (SELECT toUInt32(key) AS urn, max(taken_at) AS taken_at FROM reference_version WHERE kind = 'roster' GROUP BY key)
SELECT
    urn, pupil_id, first_day, last_day, status, year_group, age_31_august, boarder, part_time, in_scope,
    boarder OR status = 'pre-admission' OR (part_time AND year_group IN ('N1', 'N2')) AS never_missing,
    year_group IN ('12', '13', '14') OR age_31_august >= 16 AS is_post_16
FROM enrolment FINAL
WHERE (urn, taken_at) IN (SELECT urn, taken_at FROM in_force)
    AND pupil_id NOT IN (SELECT pupil_id FROM merged_pupil FINAL WHERE to_pupil_id NOT IN (0, pupil_id))
UNION ALL
SELECT
    o.urn, o.pupil_id, o.spell.1, o.spell.2, o.spell.3, o.spell.4, o.spell.5, o.spell.6, o.spell.7, o.spell.8,
    o.spell.6 OR o.spell.3 = 'pre-admission' OR (o.spell.7 AND o.spell.4 IN ('N1', 'N2')),
    o.spell.4 IN ('12', '13', '14') OR o.spell.5 >= 16
FROM
(
    SELECT
        e.urn AS urn, m.to_pupil_id AS pupil_id, groupArrayIf((e.first_day, e.last_day), e.pupil_id = m.to_pupil_id) AS own,
        arrayJoin(groupArrayIf(
            (e.first_day, e.last_day, e.status, e.year_group, e.age_31_august, e.boarder, e.part_time, e.in_scope),
            e.pupil_id != m.to_pupil_id)) AS spell
    FROM (SELECT * FROM enrolment FINAL WHERE (urn, taken_at) IN (SELECT urn, taken_at FROM in_force)) AS e
    INNER JOIN (SELECT pupil_id, to_pupil_id FROM merged_pupil FINAL WHERE to_pupil_id != 0) AS m ON m.pupil_id = e.pupil_id
    WHERE (SELECT count() FROM merged_pupil) > 0
    GROUP BY e.urn, m.to_pupil_id
) AS o
WHERE NOT arrayExists(s -> s.1 <= o.spell.2 AND o.spell.1 <= s.2, o.own)
COMMENT 'Enrolments by the roster in force (rule 11), merged pupils once';

CREATE OR REPLACE VIEW group_members
(
    urn       UInt32 COMMENT 'School',
    group_id  LowCardinality(String),
    pupil_id  UInt64 COMMENT 'Surrogate; of a merged pupil the one that its marks count for',
    first_day Date COMMENT 'Inclusive',
    last_day  Date COMMENT 'Inclusive; 2149-06-06 is open'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT DISTINCT g.urn AS urn, g.group_id AS group_id, if(m.to_pupil_id = 0, g.pupil_id, m.to_pupil_id) AS pupil_id,
    g.first_day AS first_day, g.last_day AS last_day
FROM
(
    SELECT * FROM group_membership
    WHERE (urn, taken_at) IN (SELECT toUInt32(key), max(taken_at) FROM reference_version WHERE kind = 'roster' GROUP BY key)
) AS g
LEFT JOIN (SELECT pupil_id, to_pupil_id FROM merged_pupil FINAL) AS m ON m.pupil_id = g.pupil_id
COMMENT 'Who is in which group, by the roster in force, merged pupils once';

CREATE OR REPLACE VIEW residence
(
    urn               UInt32 COMMENT 'School',
    pupil_id          UInt64 COMMENT 'Surrogate; of a merged pupil the one that its marks count for',
    residence_la_code LowCardinality(String) COMMENT 'Authority in whose area the pupil lives; empty when nobody says'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    e.urn AS urn, if(m.to_pupil_id = 0, e.pupil_id, m.to_pupil_id) AS pupil_id,
    argMax(e.residence_la_code, (e.residence_la_code != '', m.to_pupil_id IN (0, e.pupil_id), e.last_day, e.first_day)) AS residence_la_code
FROM
(
    SELECT * FROM enrolment FINAL
    WHERE (urn, taken_at) IN (SELECT toUInt32(key), max(taken_at) FROM reference_version WHERE kind = 'roster' GROUP BY key)
) AS e
LEFT JOIN (SELECT pupil_id, to_pupil_id FROM merged_pupil FINAL) AS m ON m.pupil_id = e.pupil_id
GROUP BY urn, pupil_id
COMMENT 'Authority in which each pupil of a roster in force lives, merged pupils once';
