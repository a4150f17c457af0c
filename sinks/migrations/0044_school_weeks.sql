-- The days on which a school is open, worked out once for each version of its calendar: every view on what is expected or missing asks
-- for them, several times over, and planning the closures taken out of the terms was most of what such a question cost. Written by the
-- reference loader with the calendar (sinks/calendar_weeks.py), read by the views on reference data and, as at an instant, by
-- sinks/as_at.py.

CREATE TABLE school_week
(
    urn             UInt32 COMMENT 'School',
    taken_at        DateTime64(3, 'UTC') COMMENT 'Names the version of the calendar',
    academic_year   LowCardinality(String),
    week_commencing Date COMMENT 'A Monday',
    week            LowCardinality(String) COMMENT 'Name of the week in the school''s cycle, as A or B; empty for none',
    days            Array(UInt8) COMMENT 'ISO weekdays within terms and outside closures, 1 is Monday'
)
ENGINE = ReplacingMergeTree ORDER BY (urn, taken_at, academic_year, week_commencing)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Weeks in which a school is open on any day, every version of its calendar';

-- Of calendars that are there already. As sinks/calendar_weeks.py has it.
INSERT INTO school_week (urn, taken_at, academic_year, week_commencing, week, days)
WITH
    opened AS
    (
        SELECT urn, taken_at, academic_year, toMonday(day) AS week_commencing, groupUniqArray(toDayOfWeek(day)) AS days
        FROM
        (
            SELECT DISTINCT urn, taken_at, academic_year,
                arrayJoin(arrayMap(n -> first_day + n, range(toUInt32(last_day - first_day + 1)))) AS day
            FROM calendar_term WHERE last_day >= first_day
        )
        WHERE (urn, taken_at, academic_year, day) NOT IN
        (
            SELECT urn, taken_at, academic_year, arrayJoin(arrayMap(n -> first_day + n, range(toUInt32(last_day - first_day + 1))))
            FROM calendar_closure WHERE last_day >= first_day
        )
        GROUP BY urn, taken_at, academic_year, week_commencing
    ),
    named AS
    (
        SELECT o.urn AS urn, o.taken_at AS taken_at, o.academic_year AS academic_year, o.week_commencing AS week_commencing,
            c.weeks[1 + (row_number() OVER (PARTITION BY o.urn, o.taken_at, o.academic_year, c.begins ORDER BY o.week_commencing) - 1) % length(c.weeks)] AS week
        FROM opened AS o
        ASOF INNER JOIN
        (
            SELECT urn, taken_at, academic_year, toMonday(first_day) AS begins, weeks FROM calendar_week FINAL WHERE notEmpty(weeks)
        ) AS c ON c.urn = o.urn AND c.taken_at = o.taken_at AND c.academic_year = o.academic_year AND c.begins <= o.week_commencing
        WHERE arrayExists(d -> d <= 5, o.days)
    )
SELECT o.urn, o.taken_at, o.academic_year, o.week_commencing, n.week, arraySort(o.days)
FROM opened AS o
LEFT JOIN named AS n
    ON n.urn = o.urn AND n.taken_at = o.taken_at AND n.academic_year = o.academic_year AND n.week_commencing = o.week_commencing
WHERE (o.urn, o.taken_at, o.academic_year) NOT IN (SELECT urn, taken_at, academic_year FROM school_week);

CREATE OR REPLACE VIEW open_days
(
    session_date Date,
    urn          UInt32 COMMENT 'School',
    week         LowCardinality(String) COMMENT 'Name of the week in the school''s cycle, as A or B; empty for none'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT w.week_commencing + (day - 1) AS session_date, w.urn AS urn, max(w.week) AS week
FROM school_week AS w
ARRAY JOIN days AS day
WHERE (w.urn, w.academic_year, w.taken_at) IN (SELECT urn, academic_year, max(taken_at) FROM calendar_term GROUP BY ALL)
GROUP BY session_date, urn
COMMENT 'Days within a school''s terms and outside its closures, weekends included (rule 21)';

CREATE OR REPLACE VIEW school_weeks
(
    urn             UInt32 COMMENT 'School',
    week_commencing Date COMMENT 'A Monday',
    week            LowCardinality(String) COMMENT 'Name of the week in the school''s cycle, as A or B'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT DISTINCT urn, week_commencing, week
FROM school_week
WHERE week != '' AND (urn, academic_year, taken_at) IN (SELECT urn, academic_year, max(taken_at) FROM calendar_term GROUP BY ALL)
COMMENT 'Which week of its cycle a school is in, of schools whose calendar names weeks';

-- As in 0024; the name of the week comes with the day.
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
    d.session_date AS session_date, d.urn AS urn, r.session AS session, r.group_id AS group_id,
    min(r.opens_at) AS opens_at, max(r.closes_at) AS closes_at,
    d.session_date < toDate(now('Europe/London'))
        OR (d.session_date = toDate(now('Europe/London')) AND min(r.opens_at) <= formatDateTime(now('Europe/London'), '%H:%i'))
        AS has_begun,
    arraySort(groupUniqArrayArray(r.groups)) AS groups
FROM open_days AS d
INNER JOIN registers_timetabled AS r ON r.urn = d.urn
LEFT JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS l ON l.urn = d.urn
WHERE d.session_date BETWEEN r.valid_from AND r.valid_to AND has(r.weekdays, toDayOfWeek(d.session_date))
  AND (empty(r.weeks) OR d.week = '' OR has(r.weeks, d.week))
  AND (l.urn = 0 OR d.session_date BETWEEN l.opened_on AND l.closed_on)
GROUP BY d.session_date, d.urn, r.session, r.group_id
COMMENT 'Session registers expected, day by day';

-- A school without a timetable is expected to mark morning and afternoon from Monday to Friday.
CREATE OR REPLACE VIEW sessions_expected
(
    session_date Date,
    urn          UInt32 COMMENT 'School',
    session      LowCardinality(String) COMMENT 'AM or PM',
    has_begun    Bool COMMENT 'The session has begun; AM at 00:00 and PM at 12:00 where no timetable says'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    d.session_date AS session_date, d.urn AS urn, arrayJoin(if(r.urn = 0, ['AM', 'PM'], [toString(r.session)])) AS session,
    d.session_date < toDate(now('Europe/London'))
        OR (d.session_date = toDate(now('Europe/London'))
            AND min(multiIf(r.urn != 0, toString(r.opens_at), session = 'AM', '00:00', '12:00')) <= formatDateTime(now('Europe/London'), '%H:%i'))
        AS has_begun
FROM open_days AS d
LEFT JOIN registers_timetabled AS r ON r.urn = d.urn
LEFT JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS l ON l.urn = d.urn
WHERE if(r.urn = 0, toDayOfWeek(d.session_date) <= 5,
        d.session_date BETWEEN r.valid_from AND r.valid_to AND has(r.weekdays, toDayOfWeek(d.session_date))
        AND (empty(r.weeks) OR d.week = '' OR has(r.weeks, d.week)))
  AND (l.urn = 0 OR d.session_date BETWEEN l.opened_on AND l.closed_on)
GROUP BY d.session_date, d.urn, session
COMMENT 'Sessions each school is expected to mark, day by day';

-- As in 0013. Of who is over 16 the groups are joined, not looked for in a set within a set: each such level is planned twice.
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
LEFT JOIN
(
    SELECT DISTINCT x.session_date AS session_date, x.urn AS urn, toString(x.session) AS session, g.pupil_id AS pupil_id
    FROM (SELECT session_date, urn, session, member_group FROM registers_expected ARRAY JOIN groups AS member_group) AS x
    INNER JOIN
    (
        SELECT a.urn AS urn, a.group_id AS group_id, a.pupil_id AS pupil_id, a.first_day AS first_day, a.last_day AS last_day
        FROM group_members AS a
        INNER JOIN (SELECT DISTINCT urn, pupil_id FROM roll WHERE is_post_16) AS o ON o.urn = a.urn AND o.pupil_id = a.pupil_id
    ) AS g ON g.urn = x.urn AND g.group_id = x.member_group
    WHERE x.session_date BETWEEN g.first_day AND g.last_day
) AS p ON p.session_date = e.session_date AND p.urn = e.urn AND p.session = e.session AND p.pupil_id = r.pupil_id
WHERE e.session_date BETWEEN r.first_day AND r.last_day AND NOT m.stands AND (NOT r.is_post_16 OR p.pupil_id != 0)
GROUP BY e.session_date, e.urn, e.session, r.pupil_id
COMMENT 'Pupils who should have a mark and have none: neither present nor absent (rules 3 and 15)';
