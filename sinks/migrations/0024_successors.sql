-- Rule 12: marks belong to the URN that was open on the session date. A successor's feed that replays the dates of the school before
-- it, and a predecessor's that goes on after its last day, stand in the history and add nothing to any figure.

-- The first and last day of each school, as the latest version says: what derive asks of every mark (sinks/sql/derive_existing.sql), so
-- one small row a school, in place of all versions of all its facts.
CREATE TABLE school_life
(
    urn       UInt32,
    taken_at  DateTime64(3, 'UTC'),
    opened_on Date COMMENT '1970-01-01 when nobody says, or earlier than that',
    closed_on Date COMMENT 'Last day; 2149-06-06 while open'
)
ENGINE = ReplacingMergeTree(taken_at) ORDER BY urn
COMMENT 'From when to when a URN is that of a school; in force is the greatest taken_at';

CREATE MATERIALIZED VIEW school_life_view TO school_life AS
SELECT urn, taken_at, opened_on, closed_on FROM school;

INSERT INTO school_life (urn, taken_at, opened_on, closed_on) SELECT urn, taken_at, opened_on, closed_on FROM school
WHERE (urn, taken_at) NOT IN (SELECT urn, taken_at FROM school_life);

-- No register is expected of a school before its first day and after its last. Else as in 0013.
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
LEFT JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS l ON l.urn = e.urn
WHERE l.urn = 0 OR e.session_date BETWEEN l.opened_on AND l.closed_on
GROUP BY e.session_date, e.urn, e.session, e.group_id
COMMENT 'Session registers expected, day by day';

CREATE OR REPLACE VIEW sessions_expected
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
SELECT d.session_date AS session_date, d.urn AS urn, arrayJoin(['AM', 'PM']) AS session,
    d.session_date < toDate(now('Europe/London'))
        OR (d.session_date = toDate(now('Europe/London')) AND (session = 'AM' OR toHour(now('Europe/London')) >= 12)) AS has_begun
FROM open_days AS d
LEFT JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS l ON l.urn = d.urn
WHERE toDayOfWeek(d.session_date) <= 5 AND d.urn NOT IN (SELECT urn FROM registers_timetabled)
  AND (l.urn = 0 OR d.session_date BETWEEN l.opened_on AND l.closed_on)
COMMENT 'Sessions each school is expected to mark, day by day';

-- Sign-ins of days on which the URN was not open stand for nothing. Else as in 0016.
CREATE OR REPLACE VIEW evidence_standing
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    pupil_id       UInt64 COMMENT 'Surrogate',
    source         LowCardinality(String) COMMENT 'The kiosk',
    raw_code       LowCardinality(String),
    canonical_code LowCardinality(String),
    minutes_late   Int16 COMMENT '-1 when not given',
    asserted_at    DateTime64(3, 'UTC') COMMENT 'When the pupil signed in',
    exceptions     UInt32,
    year_group     LowCardinality(String),
    in_scope       Bool,
    event_id       UInt64,
    replaces       LowCardinality(String) COMMENT 'N, or empty: no mark stands',
    register_source LowCardinality(String) COMMENT 'Whose N it stands for; empty for none',
    register_year_group LowCardinality(String),
    register_in_scope Bool
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    e.session_date AS session_date, e.urn AS urn, toString(e.session) AS session, e.pupil_id AS pupil_id, e.said.1 AS source,
    e.said.2 AS raw_code, e.said.3 AS canonical_code, e.said.4 AS minutes_late, e.said.5 AS asserted_at, e.said.6 AS exceptions,
    e.said.7 AS year_group, e.said.8 AS in_scope, e.said.9 AS event_id, if(m.is_mark, 'N', '') AS replaces,
    m.source AS register_source, m.year_group AS register_year_group, m.in_scope AS register_in_scope
FROM
(
    SELECT
        a.session_date AS session_date, a.urn AS urn, a.session AS session, a.pupil_id AS pupil_id,
        argMin(
            (a.source, a.raw_code, c.canonical_code, a.minutes_late, a.asserted_at, a.exceptions, a.year_group, a.in_scope, a.event_id),
            (a.asserted_at, a.event_id)
        ) AS said
    FROM (SELECT * FROM mark_assertion FINAL WHERE source_kind = 'kiosk' AND NOT deleted) AS a
    INNER JOIN
    (
        SELECT scheme, raw_code, canonical_code, valid_from, valid_to FROM code_map FINAL
        WHERE (scheme, version) IN (SELECT scheme, max(version) FROM code_map GROUP BY scheme)
    ) AS c
        ON a.code_scheme = c.scheme AND a.raw_code = c.raw_code
        AND a.session_date >= c.valid_from AND a.session_date <= c.valid_to
    LEFT JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS l ON l.urn = a.urn
    WHERE l.urn = 0 OR a.session_date BETWEEN l.opened_on AND l.closed_on
    GROUP BY a.session_date, a.urn, a.session, a.pupil_id
) AS e
LEFT JOIN
(
    SELECT * FROM mark_current FINAL
    WHERE is_mark AND (session_date, urn) IN (SELECT session_date, urn FROM mark_assertion WHERE source_kind = 'kiosk')
) AS m
    ON m.session_date = e.session_date AND m.urn = e.urn AND m.session = e.session AND m.pupil_id = e.pupil_id
WHERE NOT m.is_mark OR m.canonical_code = 'N'
COMMENT 'Sign-ins that stand, in the live basis, for a mark that is missing or N (rule 17)';

-- A school, and the one that carries it on today: whole successions, mergers and amalgamations followed to their end. A school that
-- was split has no one successor and ends its own line. Ten steps are more than any school in GIAS has.
CREATE VIEW school_lineage
(
    urn          UInt32 COMMENT 'School',
    school_name  String,
    lineage_urn  UInt32 COMMENT 'The last of its successors; its own when it has none',
    lineage_name String,
    successions  UInt8 COMMENT 'Steps from this school to that one',
    opened_on    Date COMMENT '1970-01-01 when nobody says',
    closed_on    Date COMMENT 'Last day; 2149-06-06 while open'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH RECURSIVE
next AS
(
    SELECT n.predecessor_urn AS predecessor_urn, min(n.successor_urn) AS follower FROM school_successions AS n
    WHERE n.kind != 'split' AND n.predecessor_urn != n.successor_urn
    GROUP BY n.predecessor_urn
    HAVING uniqExact(n.successor_urn) = 1
),
followed AS
(
    SELECT urn AS urn, urn AS reached, toUInt8(0) AS steps FROM school_life GROUP BY urn
    UNION ALL
    SELECT f.urn, n.follower, toUInt8(f.steps + 1) FROM followed AS f INNER JOIN next AS n ON n.predecessor_urn = f.reached
    WHERE f.steps < 10
)
SELECT
    p.urn AS urn, a.school_name AS school_name, p.lineage_urn AS lineage_urn, b.school_name AS lineage_name, p.successions AS successions,
    l.opened_on AS opened_on, l.closed_on AS closed_on
FROM (SELECT urn, argMax(reached, steps) AS lineage_urn, max(steps) AS successions FROM followed GROUP BY urn) AS p
LEFT JOIN (SELECT urn, argMax(school_name, valid_from) AS school_name FROM schools GROUP BY urn) AS a ON a.urn = p.urn
LEFT JOIN (SELECT urn, argMax(school_name, valid_from) AS school_name FROM schools GROUP BY urn) AS b ON b.urn = p.lineage_urn
LEFT JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS l ON l.urn = p.urn
COMMENT 'Which school carries each school on today (rule 12), for trends over a conversion or merger';

CREATE VIEW marks_by_lineage
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    lineage_urn    UInt32 COMMENT 'The school that carries this one on today',
    lineage_name   String,
    urn            UInt32 COMMENT 'The school that was open on that date, whose mark it is',
    session        LowCardinality(String) COMMENT 'AM or PM',
    pupil_id       UInt64 COMMENT 'Surrogate; one across schools by UPN',
    source         LowCardinality(String),
    canonical_code LowCardinality(String),
    category       LowCardinality(String),
    is_possible    Bool,
    is_attendance  Bool,
    has_begun      Bool,
    year_group     LowCardinality(String),
    in_headline    Bool COMMENT 'Rule 14',
    event_id       UInt64 COMMENT 'The delivery in marks_history that counts'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, if(g.urn = 0, m.urn, g.lineage_urn) AS lineage_urn, g.lineage_name AS lineage_name, m.urn AS urn,
    m.session AS session, m.pupil_id AS pupil_id, m.source AS source, m.canonical_code AS canonical_code, m.category AS category,
    m.is_possible AS is_possible, m.is_attendance AS is_attendance, m.has_begun AS has_begun, m.year_group AS year_group,
    m.in_headline AS in_headline, m.event_id AS event_id
FROM marks_current AS m
LEFT JOIN school_lineage AS g ON g.urn = m.urn
COMMENT 'marks_current with the school that carries each on today: one history over a conversion, each mark once';

CREATE VIEW lineage_days
(
    session_date Date COMMENT 'School-local date (rule 8)',
    lineage_urn  UInt32 COMMENT 'The school that carries these on today',
    lineage_name String,
    urns         Array(UInt32) COMMENT 'The schools whose marks they are: several only before a merger',
    in_headline  Bool COMMENT 'Rule 14: one row for the pupils in the headline, one for the others',
    marks        UInt64,
    possible     UInt64 COMMENT 'attendance + absence',
    attendance   UInt64,
    authorised   UInt64,
    unauthorised UInt64,
    late         UInt64 COMMENT 'L + U',
    unknown      UInt64 COMMENT 'No map knows the code',
    attendance_rate Nullable(Float64) COMMENT 'Percent of possible, pooled, not rounded; NULL without possible sessions'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    d.session_date AS session_date, if(g.urn = 0, d.urn, g.lineage_urn) AS lineage_urn, any(g.lineage_name) AS lineage_name,
    arraySort(groupUniqArray(d.urn)) AS urns, d.in_headline AS in_headline, sum(d.marks) AS marks, sum(d.possible) AS possible,
    sum(d.attendance) AS attendance, sum(d.authorised) AS authorised, sum(d.unauthorised) AS unauthorised, sum(d.late) AS late,
    sum(d.unknown) AS unknown, if(possible = 0, NULL, 100 * attendance / possible) AS attendance_rate
FROM school_days AS d
LEFT JOIN school_lineage AS g ON g.urn = d.urn
GROUP BY d.session_date, lineage_urn, d.in_headline
COMMENT 'school_days with conversions and mergers followed to the school of today (rule 12). Basis: statutory';
