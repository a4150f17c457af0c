-- Timetables with weeks A and B and joint registers, and which version of a timetable was known when. Written by the reference
-- loader (streams/reference.py) from version 2 of `reference.register.v1` and `reference.calendar.v1`; read by the views on what
-- is missing (0006), the reports and `rollcall expected`. Where a school says nothing of weeks and groups, all is as it was.

-- `entry` is in the key, so that two registers that differ in their days or weeks only are two.
ALTER TABLE expected_register
    ADD COLUMN IF NOT EXISTS entry UInt16 COMMENT 'Position in its message',
    ADD COLUMN IF NOT EXISTS groups Array(String) COMMENT 'Whose pupils it takes; empty: those of group_id',
    ADD COLUMN IF NOT EXISTS weeks Array(String) COMMENT 'Weeks of the cycle; empty: every week',
    MODIFY ORDER BY (urn, taken_at, group_id, session, period, valid_from, entry);

CREATE TABLE calendar_week
(
    urn UInt32, taken_at DateTime64(3, 'UTC'), academic_year LowCardinality(String), first_day Date COMMENT 'A day of the week that gets the first name',
    weeks Array(String) COMMENT 'Names that the school''s weeks take in turn from then on'
)
ENGINE = ReplacingMergeTree ORDER BY (urn, taken_at, academic_year, first_day)
COMMENT 'Week cycles, every version of a calendar';

-- Rule 21: a school's week is one of its own calendar. A week without an open Monday to Friday has no name and is not counted.
CREATE VIEW school_weeks
(
    urn             UInt32 COMMENT 'School',
    week_commencing Date COMMENT 'A Monday',
    week            LowCardinality(String) COMMENT 'Name of the week in the school''s cycle, as A or B'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    n.urn AS urn, n.week_commencing AS week_commencing,
    n.names[1 + (row_number() OVER (PARTITION BY n.urn, n.academic_year, n.begins ORDER BY n.week_commencing) - 1) % length(n.names)] AS week
FROM
(
    SELECT w.urn AS urn, w.academic_year AS academic_year, w.week_commencing AS week_commencing, c.begins AS begins, c.weeks AS names
    FROM
    (
        SELECT DISTINCT
            o.urn AS urn, toMonday(o.session_date) AS week_commencing, toYear(o.session_date) - (toMonth(o.session_date) < 9) AS autumn,
            concat(toString(autumn), '/', leftPad(toString((autumn + 1) % 100), 2, '0')) AS academic_year
        FROM open_days AS o
        WHERE toDayOfWeek(o.session_date) <= 5 AND o.urn IN (SELECT urn FROM calendar_week)
    ) AS w
    ASOF INNER JOIN
    (
        SELECT urn, academic_year, toMonday(first_day) AS begins, weeks FROM calendar_week FINAL
        WHERE notEmpty(weeks) AND (urn, academic_year, taken_at) IN (SELECT urn, academic_year, max(taken_at) FROM calendar_term GROUP BY ALL)
    ) AS c ON c.urn = w.urn AND c.academic_year = w.academic_year AND c.begins <= w.week_commencing
) AS n
COMMENT 'Which week of its cycle a school is in, of schools whose calendar names weeks';

CREATE VIEW school_closures
(
    urn           UInt32 COMMENT 'School',
    academic_year LowCardinality(String),
    first_day     Date COMMENT 'Inclusive',
    last_day      Date COMMENT 'Inclusive',
    reason        LowCardinality(String) COMMENT 'half_term, inset, bank_holiday, planned or unplanned'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT DISTINCT urn, academic_year, first_day, last_day, reason
FROM calendar_closure
WHERE (urn, academic_year, taken_at) IN (SELECT urn, academic_year, max(taken_at) FROM calendar_term GROUP BY ALL)
COMMENT 'Days within a term on which a school is closed, by the calendar in force';

CREATE OR REPLACE VIEW registers_timetabled
(
    urn        UInt32 COMMENT 'School',
    group_id   LowCardinality(String),
    session    LowCardinality(String) COMMENT 'AM or PM',
    opens_at   LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    closes_at  LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    weekdays   Array(UInt8) COMMENT 'ISO weekdays, 1 is Monday',
    valid_from Date COMMENT 'Inclusive',
    valid_to   Date COMMENT 'Inclusive; 2149-06-06 is open',
    groups     Array(String) COMMENT 'Whose pupils it takes: several for a joint register',
    weeks      Array(String) COMMENT 'Weeks of the school''s cycle; empty: every week'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    urn, group_id, session, opens_at, closes_at, weekdays, valid_from, valid_to,
    if(empty(groups), [toString(group_id)], groups) AS groups, weeks
FROM expected_register FINAL
WHERE period = '' AND (urn, taken_at) IN
    (SELECT toUInt32(key), max(taken_at) FROM reference_version WHERE kind = 'register' GROUP BY key)
COMMENT 'Session registers that schools expect, by the timetable in force; lesson registers are not here (rule 7)';

-- A version is known from when it was applied until a later one was. `known_until` <= `known_from`: it was overtaken and never in force.
CREATE VIEW timetable_versions
(
    urn         UInt32 COMMENT 'School',
    taken_at    DateTime64(3, 'UTC') COMMENT 'Names the version: the later overrules the earlier',
    known_from  DateTime64(6, 'UTC') COMMENT 'When Rollcall came to know it (rule 9)',
    known_until DateTime64(6, 'UTC') COMMENT 'When a later version was known; 2149-06-06 while in force',
    group_id    LowCardinality(String),
    groups      Array(String) COMMENT 'Whose pupils it takes: several for a joint register',
    session     LowCardinality(String) COMMENT 'AM or PM',
    period      LowCardinality(String) COMMENT 'Lesson; empty for the register of a session (rule 7)',
    opens_at    LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    closes_at   LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    weekdays    Array(UInt8) COMMENT 'ISO weekdays, 1 is Monday',
    weeks       Array(String) COMMENT 'Weeks of the school''s cycle; empty: every week',
    valid_from  Date COMMENT 'Inclusive',
    valid_to    Date COMMENT 'Inclusive; 2149-06-06 is open'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    r.urn AS urn, r.taken_at AS taken_at, v.known_from AS known_from, v.known_until AS known_until, r.group_id AS group_id,
    if(empty(r.groups), [toString(r.group_id)], r.groups) AS groups, r.session AS session, r.period AS period, r.opens_at AS opens_at,
    r.closes_at AS closes_at, r.weekdays AS weekdays, r.weeks AS weeks, r.valid_from AS valid_from, r.valid_to AS valid_to
FROM (SELECT * FROM expected_register FINAL) AS r
INNER JOIN
(
    SELECT
        toUInt32(key) AS urn, taken_at, applied_at AS known_from,
        if(count() OVER later = 0, toDateTime64('2149-06-06 00:00:00', 6, 'UTC'), min(applied_at) OVER later) AS known_until
    FROM reference_version FINAL
    WHERE kind = 'register'
    WINDOW later AS (PARTITION BY key ORDER BY taken_at ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
) AS v ON v.urn = r.urn AND v.taken_at = r.taken_at
COMMENT 'Every version of every timetable, lesson registers too: what was expected, as known at an instant';

-- A register of certain weeks counts in a week that the school's calendar does not name: missing too much is seen, too little is not.
CREATE OR REPLACE VIEW registers_expected
(
    session_date Date,
    urn          UInt32 COMMENT 'School',
    session      LowCardinality(String) COMMENT 'AM or PM',
    group_id     LowCardinality(String),
    opens_at     LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    closes_at    LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    has_begun    Bool COMMENT 'The register has opened',
    groups       Array(String) COMMENT 'Whose pupils it takes: several for a joint register'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    e.session_date AS session_date, e.urn AS urn, e.session AS session, e.group_id AS group_id,
    min(e.opens_at) AS opens_at, max(e.closes_at) AS closes_at,
    e.session_date < toDate(now('Europe/London'))
        OR (e.session_date = toDate(now('Europe/London')) AND min(e.opens_at) <= formatDateTime(now('Europe/London'), '%H:%i'))
        AS has_begun,
    arraySort(groupUniqArrayArray(e.groups)) AS groups
FROM
(
    SELECT d.session_date AS session_date, d.urn AS urn, r.session AS session, r.group_id AS group_id, r.opens_at AS opens_at,
           r.closes_at AS closes_at, r.groups AS groups
    FROM open_days AS d
    INNER JOIN (SELECT * FROM registers_timetabled WHERE empty(weeks)) AS r ON r.urn = d.urn
    WHERE d.session_date BETWEEN r.valid_from AND r.valid_to AND has(r.weekdays, toDayOfWeek(d.session_date))
    UNION ALL
    SELECT d.session_date, d.urn, r.session, r.group_id, r.opens_at, r.closes_at, r.groups
    FROM open_days AS d
    INNER JOIN (SELECT * FROM registers_timetabled WHERE notEmpty(weeks)) AS r ON r.urn = d.urn
    LEFT JOIN school_weeks AS w ON w.urn = d.urn AND w.week_commencing = toMonday(d.session_date)
    WHERE d.session_date BETWEEN r.valid_from AND r.valid_to AND has(r.weekdays, toDayOfWeek(d.session_date))
      AND (w.week = '' OR has(r.weeks, w.week))
) AS e
GROUP BY e.session_date, e.urn, e.session, e.group_id
COMMENT 'Session registers expected, day by day';

CREATE OR REPLACE VIEW session_openings
(
    urn      UInt32 COMMENT 'School',
    session  LowCardinality(String) COMMENT 'AM or PM',
    opens_at LowCardinality(String) COMMENT 'HH:MM, Europe/London: when its first register opens today'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT t.urn AS urn, t.session AS session, min(t.opens_at) AS opens_at
FROM registers_timetabled AS t
LEFT JOIN (SELECT urn, week FROM school_weeks WHERE week_commencing = toMonday(toDate(now('Europe/London')))) AS w ON w.urn = t.urn
WHERE toDate(now('Europe/London')) BETWEEN t.valid_from AND t.valid_to
  AND has(t.weekdays, toDayOfWeek(now('Europe/London')))
  AND (empty(t.weeks) OR w.week = '' OR has(t.weeks, w.week))
GROUP BY t.urn, t.session
COMMENT 'When each session of each school begins today';

CREATE OR REPLACE VIEW marks_missing
(
    session_date Date COMMENT 'A school day of this school',
    urn          UInt32 COMMENT 'School',
    session      LowCardinality(String) COMMENT 'AM or PM',
    pupil_id     UInt64 COMMENT 'On roll that day, without a mark that stands',
    year_group   LowCardinality(String),
    in_headline  Bool COMMENT 'Rule 14',
    school_name  String,
    la_code      LowCardinality(String),
    la_name      LowCardinality(String),
    trust_id     LowCardinality(String),
    trust_name   LowCardinality(String),
    phase        LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    e.session_date AS session_date, e.urn AS urn, e.session AS session, r.pupil_id AS pupil_id,
    any(r.year_group) AS year_group, max(r.in_scope) AND any(s.in_headline) AS in_headline,
    any(s.school_name) AS school_name, any(s.la_code) AS la_code, any(s.la_name) AS la_name, any(s.trust_id) AS trust_id,
    any(s.trust_name) AS trust_name, any(s.phase) AS phase
FROM (SELECT session_date, urn, session FROM sessions_expected WHERE has_begun) AS e
INNER JOIN (SELECT * FROM roll WHERE NOT never_missing) AS r ON r.urn = e.urn
LEFT JOIN (SELECT session_date, urn, toString(session) AS session, pupil_id, is_mark AS stands FROM mark_current FINAL WHERE is_mark) AS m
    ON m.session_date = e.session_date AND m.urn = e.urn AND m.session = e.session AND m.pupil_id = r.pupil_id
ASOF LEFT JOIN schools AS s ON s.urn = e.urn AND s.valid_from <= e.session_date
WHERE e.session_date BETWEEN r.first_day AND r.last_day AND NOT m.stands
  AND (NOT r.is_post_16 OR (e.session_date, e.urn, e.session, r.pupil_id) IN
    (
        SELECT x.session_date, x.urn, x.session, g.pupil_id
        FROM (SELECT session_date, urn, session, member_group FROM registers_expected ARRAY JOIN groups AS member_group) AS x
        INNER JOIN group_members AS g ON g.urn = x.urn AND g.group_id = x.member_group
        WHERE x.session_date BETWEEN g.first_day AND g.last_day
          AND (g.urn, g.pupil_id) IN (SELECT urn, pupil_id FROM roll WHERE is_post_16)
    ))
GROUP BY e.session_date, e.urn, e.session, r.pupil_id
COMMENT 'Pupils who should have a mark and have none: neither present nor absent (rules 3 and 15)';

-- A joint register is missing as long as one of its groups has no mark.
CREATE OR REPLACE VIEW registers_missing
(
    session_date Date COMMENT 'A school day of this school',
    urn          UInt32 COMMENT 'School',
    session      LowCardinality(String) COMMENT 'AM or PM',
    group_id     LowCardinality(String) COMMENT 'The group whose register is expected',
    opens_at     LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    closes_at    LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    pupils       UInt64 COMMENT 'Members on roll that day who should have a mark',
    year_group   LowCardinality(String) COMMENT 'Of most of them',
    in_headline  Bool COMMENT 'Rule 14: at least one of them is',
    school_name  String,
    la_code      LowCardinality(String),
    la_name      LowCardinality(String),
    trust_id     LowCardinality(String),
    trust_name   LowCardinality(String),
    phase        LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    e.session_date AS session_date, e.urn AS urn, e.session AS session, e.group_id AS group_id, any(e.opens_at) AS opens_at,
    any(e.closes_at) AS closes_at, uniqExact(r.pupil_id) AS pupils, arrayElement(topK(1)(r.year_group), 1) AS year_group,
    max(r.in_scope) AND any(s.in_headline) AS in_headline,
    any(s.school_name) AS school_name, any(s.la_code) AS la_code, any(s.la_name) AS la_name, any(s.trust_id) AS trust_id,
    any(s.trust_name) AS trust_name, any(s.phase) AS phase
FROM (SELECT *, member_group FROM registers_expected ARRAY JOIN groups AS member_group WHERE has_begun) AS e
INNER JOIN group_members AS g ON g.urn = e.urn AND g.group_id = e.member_group
INNER JOIN (SELECT * FROM roll WHERE NOT never_missing) AS r ON r.urn = g.urn AND r.pupil_id = g.pupil_id
LEFT JOIN (SELECT session_date, urn, toString(session) AS session, pupil_id, is_mark AS stands FROM mark_current FINAL WHERE is_mark) AS m
    ON m.session_date = e.session_date AND m.urn = e.urn AND m.session = e.session AND m.pupil_id = r.pupil_id
ASOF LEFT JOIN schools AS s ON s.urn = e.urn AND s.valid_from <= e.session_date
WHERE e.session_date BETWEEN g.first_day AND g.last_day AND e.session_date BETWEEN r.first_day AND r.last_day
GROUP BY e.session_date, e.urn, e.session, e.group_id
HAVING NOT empty(arrayFilter(one -> NOT has(groupUniqArrayIf(e.member_group, m.stands), one), groupUniqArray(e.member_group)))
COMMENT 'Expected registers: of a group that it takes, no pupil on roll has a mark that stands. A joint register answers for all its groups';
