-- Which source's mark counts, as data (rules 10 and 17): what the published document says, and which of it is in force. Written by the
-- reference loader (streams/reference.py) from `reference.source-rule.v1`, read by sinks/sql/derive_current.sql and by analysts.
--
-- A version is a number of the one sequence of publications, which code maps count in too. A rule whose dates are knowledge time is in
-- force or not for all session dates: when its instant has come, the loader writes the same document again as a new version. So what
-- is in force follows from the rows of the greatest version, and never from a clock. Version 0 is the built-in document.
CREATE TABLE source_rule
(
    version      UInt32 COMMENT 'Number of the publication; the greatest is in force',
    position     UInt16 COMMENT 'Place in the document, from 0',
    name         LowCardinality(String) COMMENT 'What losers are told',
    urn          UInt32 COMMENT 'School; 0: every school',
    source       LowCardinality(String) COMMENT 'System; empty: any',
    source_kind  LowCardinality(String) COMMENT 'register or mis; empty: either',
    code_class   LowCardinality(String) COMMENT 'any, definite (neither N nor unmapped), provisional (N), unmapped, or codes',
    codes        Array(String) COMMENT 'Canonical codes, where code_class is codes',
    precedence   UInt16 COMMENT 'Of a mark: the greatest of the rules that it meets. The greater wins',
    dates_mean   LowCardinality(String) COMMENT 'session or knowledge (rule 10)',
    first_day    Date COMMENT 'First session date, where dates are of sessions',
    last_day     Date COMMENT 'Last session date, inclusive',
    begins_at    DateTime64(3, 'UTC') COMMENT 'In force from this instant, where dates are of knowledge',
    ends_at      DateTime64(3, 'UTC') DEFAULT '2149-06-06 00:00:00' COMMENT 'Not in force from this instant on',
    in_force     Bool COMMENT 'Whether known_from lies between begins_at and ends_at',
    author       LowCardinality(String) COMMENT 'A role or a staff reference',
    reason       String,
    published_at DateTime64(3, 'UTC') COMMENT 'When the document was published; the same for all versions of it',
    known_from   DateTime64(3, 'UTC') COMMENT 'From when on this version is in force'
)
ENGINE = ReplacingMergeTree
ORDER BY (version, position)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Rules between sources, every version';

CREATE VIEW source_rules
(
    version      UInt32 COMMENT 'Number of the publication; 0 is the built-in document',
    is_latest    Bool COMMENT 'The version that current marks follow',
    position     UInt16 COMMENT 'Place in the document',
    name         LowCardinality(String) COMMENT 'As in marks_conflicting',
    precedence   UInt16 COMMENT 'Of a mark: the greatest of the rules that it meets. The greater wins, of equals the latest mark',
    urn          Nullable(UInt32) COMMENT 'School; NULL: every school',
    source       LowCardinality(String) COMMENT 'System; empty: any',
    source_kind  LowCardinality(String) COMMENT 'register or mis; empty: either',
    code_class   LowCardinality(String) COMMENT 'any, definite, provisional (N), unmapped, or codes',
    codes        Array(String),
    dates_mean   LowCardinality(String) COMMENT 'Which time its dates are of: session or knowledge (rule 10)',
    first_day    Nullable(Date) COMMENT 'First session date',
    last_day     Nullable(Date) COMMENT 'Last session date, inclusive',
    begins_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'In force from this instant, for all session dates',
    ends_at      Nullable(DateTime64(3, 'UTC')) COMMENT 'Not in force from this instant on',
    in_force     Bool COMMENT 'In this version',
    author       LowCardinality(String) COMMENT 'A role or a staff reference',
    reason       String,
    published_at DateTime64(3, 'UTC'),
    known_from   DateTime64(3, 'UTC') COMMENT 'From when on this version was followed'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    r.version AS version, r.version = (SELECT max(version) FROM source_rule) AS is_latest, r.position AS position, r.name AS name,
    r.precedence AS precedence, nullIf(r.urn, 0) AS urn, r.source AS source, r.source_kind AS source_kind, r.code_class AS code_class,
    r.codes AS codes, r.dates_mean AS dates_mean, nullIf(r.first_day, toDate('1970-01-01')) AS first_day,
    nullIf(r.last_day, toDate('2149-06-06')) AS last_day, nullIf(r.begins_at, toDateTime64(0, 3, 'UTC')) AS begins_at,
    nullIf(r.ends_at, toDateTime64('2149-06-06 00:00:00', 3, 'UTC')) AS ends_at, r.in_force AS in_force, r.author AS author,
    r.reason AS reason, r.published_at AS published_at, r.known_from AS known_from
FROM source_rule AS r FINAL
COMMENT 'Rules between sources (rule 17), every version, the built-in one among them';

-- As in 0016, with the version of the rules that chose: the latest that the row had seen when it was derived.
CREATE OR REPLACE VIEW marks_conflicting
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    pupil_id       UInt64 COMMENT 'Surrogate',
    year_group     LowCardinality(String),
    source         LowCardinality(String) COMMENT 'The system whose mark counts',
    source_kind    LowCardinality(String),
    raw_code       LowCardinality(String),
    canonical_code LowCardinality(String) COMMENT 'Empty when no map knows it',
    asserted_at    DateTime64(3, 'UTC'),
    event_id       UInt64 COMMENT 'Its delivery in marks_history',
    loser_source   LowCardinality(String) COMMENT 'The system whose mark says something else and does not count',
    loser_source_kind LowCardinality(String),
    loser_raw_code LowCardinality(String),
    loser_canonical_code LowCardinality(String),
    loser_minutes_late Nullable(Int16),
    loser_asserted_at DateTime64(3, 'UTC'),
    loser_event_id UInt64 COMMENT 'Its delivery in marks_history',
    rule           LowCardinality(String) COMMENT 'Name of the rule that chose (source_rules); latest: of equal precedence the later mark',
    rule_version   UInt32 COMMENT 'Version of source_rules by which it chose; 0 is built in',
    school_name    String,
    la_code        LowCardinality(String),
    trust_id       LowCardinality(String),
    phase          LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, m.urn AS urn, toString(m.session) AS session, m.pupil_id AS pupil_id, m.year_group AS year_group,
    m.source AS source, toString(m.source_kind) AS source_kind, m.raw_code AS raw_code, m.canonical_code AS canonical_code,
    m.asserted_at AS asserted_at, m.event_id AS event_id,
    m.loser.source AS loser_source, m.loser.source_kind AS loser_source_kind, m.loser.raw_code AS loser_raw_code,
    m.loser.canonical_code AS loser_canonical_code, if(m.loser.minutes_late < 0, NULL, m.loser.minutes_late) AS loser_minutes_late,
    m.loser.asserted_at AS loser_asserted_at, m.loser.event_id AS loser_event_id, m.loser.rule AS rule, v.version AS rule_version,
    s.school_name AS school_name, s.la_code AS la_code, s.trust_id AS trust_id, s.phase AS phase
FROM
(
    SELECT *, arrayJoin(losers) AS loser, toUInt32(bitShiftRight(derived_version, 64)) AS publication, true AS of_all
    FROM mark_current FINAL
    WHERE is_mark
) AS m
ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
ASOF LEFT JOIN (SELECT DISTINCT version, true AS of_all FROM source_rule) AS v ON v.of_all = m.of_all AND v.version <= m.publication
COMMENT 'Pupils for whose session two systems say different codes: what counts, what lost, and by which rule (rule 17)';

ALTER TABLE mark_current
    COMMENT COLUMN IF EXISTS derived_version 'latest publication seen << 64 | derived by the rule << 63 | sum over assertions of (ingested_at - 2026-01-01) in ms';
