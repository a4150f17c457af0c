-- Views on what is missing, refused or odd. Read by the reports, the data-quality checks and analysts.
-- Ask for one session_date: these views look at every pupil of the days they are asked for.

CREATE VIEW marks_missing
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
        FROM registers_expected AS x
        INNER JOIN group_members AS g ON g.urn = x.urn AND g.group_id = x.group_id
        WHERE x.session_date BETWEEN g.first_day AND g.last_day
          AND (g.urn, g.pupil_id) IN (SELECT urn, pupil_id FROM roll WHERE is_post_16)
    ))
GROUP BY e.session_date, e.urn, e.session, r.pupil_id
COMMENT 'Pupils who should have a mark and have none: neither present nor absent (rules 3 and 15)';

CREATE VIEW registers_missing
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
FROM (SELECT * FROM registers_expected WHERE has_begun) AS e
INNER JOIN group_members AS g ON g.urn = e.urn AND g.group_id = e.group_id
INNER JOIN (SELECT * FROM roll WHERE NOT never_missing) AS r ON r.urn = g.urn AND r.pupil_id = g.pupil_id
LEFT JOIN (SELECT session_date, urn, toString(session) AS session, pupil_id, is_mark AS stands FROM mark_current FINAL WHERE is_mark) AS m
    ON m.session_date = e.session_date AND m.urn = e.urn AND m.session = e.session AND m.pupil_id = r.pupil_id
ASOF LEFT JOIN schools AS s ON s.urn = e.urn AND s.valid_from <= e.session_date
WHERE e.session_date BETWEEN g.first_day AND g.last_day AND e.session_date BETWEEN r.first_day AND r.last_day
GROUP BY e.session_date, e.urn, e.session, e.group_id
HAVING NOT max(m.stands)
COMMENT 'Expected registers none of whose pupils on roll has a mark that stands';

CREATE VIEW quarantine_open
(
    reason          LowCardinality(String) COMMENT 'Why it could not be placed',
    urn             UInt32 COMMENT '0 when unreadable',
    source          LowCardinality(String),
    session_date    Date COMMENT '1970-01-01 when unreadable',
    session         LowCardinality(String),
    detail          String COMMENT 'What is wrong and where',
    topic           LowCardinality(String),
    topic_id        LowCardinality(String) COMMENT 'UUID of the topic',
    partition       UInt16,
    offset          UInt64,
    item            Int32 COMMENT 'Mark of the message; -1 is the whole message',
    schema_id       UInt32,
    ingested_at     DateTime64(3, 'UTC'),
    what            String COMMENT 'What it is',
    when_it_matters String COMMENT 'When it matters',
    how_to_resolve  String COMMENT 'How to resolve it'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    q.reason AS reason, q.urn AS urn, q.source AS source, q.session_date AS session_date, q.session AS session,
    q.detail AS detail, q.topic AS topic, q.topic_id AS topic_id, q.partition AS partition, q.offset AS offset, q.item AS item,
    q.schema_id AS schema_id, q.ingested_at AS ingested_at, k.what AS what, k.when_it_matters AS when_it_matters,
    k.how_to_resolve AS how_to_resolve
FROM (SELECT * FROM quarantine FINAL) AS q
LEFT JOIN (SELECT * FROM quarantine_kind FINAL) AS k ON k.name = q.reason
WHERE (q.topic_id, q.partition, q.offset, toInt64(q.item)) NOT IN
    (
        SELECT topic_id, partition, offset, toInt64(item) FROM mark_event
        WHERE (session_date, urn) IN (SELECT session_date, urn FROM quarantine)
    )
COMMENT 'What is refused for now, with the reason. A mark that stands in the history too is not: the history counts';

CREATE VIEW exceptions_found
(
    session_date Date COMMENT 'School-local date (rule 8)',
    urn          UInt32 COMMENT 'School',
    session      LowCardinality(String) COMMENT 'AM or PM; empty for a finding about a whole page',
    exception    LowCardinality(String) COMMENT 'exception_kind',
    pupil_id     UInt64 COMMENT '0 for a finding about a message or a school',
    source       LowCardinality(String) COMMENT 'Empty for a finding about a school',
    year_group   LowCardinality(String),
    topic        LowCardinality(String) COMMENT 'Where the mark or message stands in Kafka; empty for a finding about a school',
    partition    UInt16,
    offset       UInt64,
    item         Int64 COMMENT 'Mark of the message; -1 for the whole message'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    (SELECT mapFromArrays(groupArray(toUInt64(k.bit)), groupArray(toString(k.name))) FROM exception_kind AS k FINAL) AS names
SELECT
    e.session_date AS session_date, e.urn AS urn, toString(e.session) AS session,
    names[arrayJoin(bitPositionsToArray(e.exceptions))] AS exception, e.pupil_id AS pupil_id, e.source AS source,
    e.year_group AS year_group, e.topic AS topic, e.partition AS partition, e.offset AS offset, toInt64(e.item) AS item
FROM mark_event AS e FINAL
WHERE e.exceptions != 0
UNION ALL
SELECT session_date, urn, session, 'submission_id_reused', toUInt64(0), source, '', topic, partition, offset, toInt64(-1)
FROM register_receipt FINAL
WHERE source_kind = 'register' AND (urn, source, submission_id) IN
    (SELECT urn, source, submission_id FROM register_receipt WHERE source_kind = 'register'
     GROUP BY urn, source, submission_id HAVING uniqExact(content) > 1)
UNION ALL
SELECT
    marked.session_date, marked.urn, marked.session, 'more_marks_than_roll', toUInt64(0), '', '', '', toUInt16(0), toUInt64(0), toInt64(-1)
FROM
(
    SELECT n.session_date AS session_date, n.urn AS urn, toString(n.session) AS session, sum(n.marks) AS marks
    FROM school_session AS n FINAL
    WHERE n.canonical_code != 'Z'
    GROUP BY n.session_date, n.urn, n.session
) AS marked
LEFT JOIN
(
    SELECT days.session_date AS session_date, r.urn AS urn, uniqExact(r.pupil_id) AS pupils
    FROM (SELECT DISTINCT session_date, urn FROM school_session) AS days
    INNER JOIN roll AS r ON r.urn = days.urn
    WHERE days.session_date BETWEEN r.first_day AND r.last_day
    GROUP BY days.session_date, r.urn
) AS enrolled ON enrolled.session_date = marked.session_date AND enrolled.urn = marked.urn
WHERE marked.marks > enrolled.pupils
UNION ALL
SELECT session_date, arrayJoin(urns), session, 'dual_registration', pupil_id, '', '', '', toUInt16(0), toUInt64(0), toInt64(-1)
FROM
(
    SELECT m.session_date AS session_date, toString(m.session) AS session, m.pupil_id AS pupil_id, groupUniqArray(m.urn) AS urns
    FROM (SELECT * FROM mark_current FINAL WHERE is_mark) AS m
    ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
    WHERE c.is_possible OR m.canonical_code = 'D'
    GROUP BY m.session_date, m.session, m.pupil_id
    HAVING countIf(m.canonical_code = 'D') > 1 OR countIf(c.is_possible) > 1
)
COMMENT 'Findings about accepted marks, one row each (rules 1, 2, 4, 5, 6 and 16)';

CREATE VIEW data_quality
(
    session_date    Date COMMENT '1970-01-01 when unreadable',
    urn             UInt32 COMMENT 'School; 0 when unreadable',
    finding         LowCardinality(String) COMMENT 'Exception or reason for quarantine',
    accepted        Bool COMMENT 'true: the marks count; false: they are in quarantine',
    found           UInt64 COMMENT 'How many',
    what            String COMMENT 'What it is',
    when_it_matters String COMMENT 'When it matters',
    how_to_resolve  String COMMENT 'How to resolve it'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    f.session_date AS session_date, f.urn AS urn, f.exception AS finding, true AS accepted, count() AS found,
    any(k.what) AS what, any(k.when_it_matters) AS when_it_matters, any(k.how_to_resolve) AS how_to_resolve
FROM exceptions_found AS f
LEFT JOIN (SELECT * FROM exception_kind FINAL) AS k ON k.name = f.exception
GROUP BY f.session_date, f.urn, f.exception
UNION ALL
SELECT
    q.session_date, q.urn, q.reason, false, count(), any(q.what), any(q.when_it_matters), any(q.how_to_resolve)
FROM quarantine_open AS q
GROUP BY q.session_date, q.urn, q.reason
COMMENT 'What is odd or refused, per school and day, with what to do about it';
