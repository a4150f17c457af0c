-- Rule 7, the exception: a school may say how a session's mark follows from lessons, where no mark of the session stands. Written by the
-- reference loader (streams/reference.py) from `reference.lesson-rule.v1`, applied by sinks/sql/derive_from_lessons.sql.
--
-- A message is all that is said of its school, kept under the number of its publication; one without rules is a row without a name.
-- Older versions stay: a session whose mark once followed from lessons is told when it does so no more.
CREATE TABLE lesson_rule
(
    urn          UInt32 COMMENT 'School',
    version      UInt32 COMMENT 'Number of the publication; the greatest of a school is in force',
    position     UInt16 COMMENT 'Place in the message, from 0',
    name         LowCardinality(String) COMMENT 'Empty: the school has no rule any more',
    first_day    Date COMMENT 'First session date',
    last_day     Date COMMENT 'Last session date, inclusive',
    am           Array(String) COMMENT 'Lessons of the roll-call window of the morning, as the sources call them',
    pm           Array(String) COMMENT 'The same of the afternoon',
    said_best    Array(String) COMMENT 'Canonical codes, the best first, as far as the school said',
    best         Array(String) COMMENT 'All canonical codes, the best first',
    author       LowCardinality(String) COMMENT 'A role or a staff reference',
    reason       String,
    published_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (urn, version, position)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'How session marks follow from lessons, school by school, every version';

-- A mark that follows from a lesson says so; its event_id is the lesson's delivery.
ALTER TABLE mark_current MODIFY COLUMN source_kind Enum8('register' = 1, 'mis' = 2, 'kiosk' = 3, 'lesson' = 4)
    COMMENT 'lesson: no mark of the session stands, and it follows from a lesson by the school''s own rule (rule 7)';

-- Lessons touch their session where their school has, or once had, a rule. Else as in 0015.
ALTER TABLE touched_view MODIFY QUERY
SELECT batch, session_date, urn, session, pupil_id, alone FROM mark_event
WHERE (period = '' OR urn IN (SELECT urn FROM lesson_rule)) AND NOT superseded AND source_kind != 'kiosk';

CREATE VIEW lesson_rules
(
    urn          UInt32 COMMENT 'School',
    version      UInt32 COMMENT 'Number of the publication, in one sequence with source_rules',
    is_latest    Bool COMMENT 'The version of its school that current marks follow',
    position     UInt16 COMMENT 'Place in the message',
    name         LowCardinality(String) COMMENT 'As in marks_from_lessons; empty: the school withdrew its rules',
    first_day    Nullable(Date) COMMENT 'First session date; NULL: from ever on',
    last_day     Nullable(Date) COMMENT 'Last session date, inclusive; NULL: still',
    am           Array(String) COMMENT 'Lessons of the roll-call window of the morning',
    pm           Array(String) COMMENT 'The same of the afternoon',
    best         Array(String) COMMENT 'Canonical codes, the best first; one that no map knows comes last',
    author       LowCardinality(String) COMMENT 'A role or a staff reference',
    reason       String,
    published_at DateTime64(3, 'UTC')
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    r.urn AS urn, r.version AS version, r.version = l.latest AS is_latest, r.position AS position, r.name AS name,
    nullIf(r.first_day, toDate('1970-01-01')) AS first_day, nullIf(r.last_day, toDate('2149-06-06')) AS last_day, r.am AS am, r.pm AS pm,
    r.best AS best, r.author AS author, r.reason AS reason, r.published_at AS published_at
FROM (SELECT * FROM lesson_rule FINAL) AS r
INNER JOIN (SELECT urn, max(version) AS latest FROM lesson_rule GROUP BY urn) AS l ON l.urn = r.urn
COMMENT 'How session marks follow from lessons (rule 7), every version';

CREATE VIEW marks_from_lessons
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    pupil_id       UInt64 COMMENT 'Surrogate',
    year_group     LowCardinality(String),
    source         LowCardinality(String) COMMENT 'The system that said the mark of the lesson',
    raw_code       LowCardinality(String),
    canonical_code LowCardinality(String) COMMENT 'Empty when no map knows it',
    minutes_late   Nullable(Int16),
    asserted_at    DateTime64(3, 'UTC'),
    event_id       UInt64 COMMENT 'The lesson''s delivery in marks_history',
    rule           LowCardinality(String) COMMENT 'Name of the school''s rule (lesson_rules)',
    rule_version   UInt32 COMMENT 'Its version',
    school_name    String,
    la_code        LowCardinality(String),
    trust_id       LowCardinality(String),
    phase          LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, m.urn AS urn, toString(m.session) AS session, m.pupil_id AS pupil_id, m.year_group AS year_group,
    m.source AS source, m.raw_code AS raw_code, m.canonical_code AS canonical_code, if(m.minutes_late < 0, NULL, m.minutes_late) AS minutes_late,
    m.asserted_at AS asserted_at, m.event_id AS event_id, r.name AS rule, r.version AS rule_version,
    s.school_name AS school_name, s.la_code AS la_code, s.trust_id AS trust_id, s.phase AS phase
FROM (SELECT * FROM mark_current FINAL WHERE is_mark AND source_kind = 'lesson') AS m
ASOF LEFT JOIN
(
    SELECT * FROM lesson_rule FINAL
    WHERE name != '' AND (urn, version) IN (SELECT urn, max(version) FROM lesson_rule GROUP BY urn)
) AS r ON r.urn = m.urn AND r.first_day <= m.session_date
ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
COMMENT 'Session marks that follow from a lesson by the school''s own rule (rule 7); marks_current and every count hold them too';
