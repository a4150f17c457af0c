-- What is said again unchanged is not written to the history; the receipt alone has it. Where two say different things of one pupil and
-- session, or lesson, and the rule prefers neither, the latest stands, and a repeat makes who says it the latest: then, and only then, it is written
-- here (streams/kernels.py: suppress), and derive takes the assertion for as late as it was last said (sinks/sql/derive_said_again.sql).

-- Nothing makes these rows again but the messages themselves, so they are on disk before the worker goes on, as the history is.
CREATE TABLE mark_reassertion
(
    session_date Date CODEC(ZSTD(1)),
    urn          UInt32 CODEC(Delta, ZSTD(1)),
    session      Enum8('AM' = 1, 'PM' = 2) CODEC(ZSTD(1)),
    period       LowCardinality(String) COMMENT 'As the source calls the lesson; empty for a mark of the session (rule 7)' CODEC(ZSTD(1)),
    pupil_id     UInt64 CODEC(ZSTD(1)),
    version      UInt64 COMMENT 'Of the assertion that was said again, as in mark_assertion and period_current' CODEC(ZSTD(1)),
    content      UInt64 COMMENT 'Of the same' CODEC(ZSTD(1)),
    again        UInt64 COMMENT 'The version at which it was said again' CODEC(ZSTD(1)),
    ingested_at  DateTime64(3, 'UTC') COMMENT 'When it was known to decide' CODEC(Delta, ZSTD(1)),
    topic        LowCardinality(String) CODEC(ZSTD(1)),
    topic_id     LowCardinality(String) CODEC(ZSTD(1)),
    partition    UInt16 CODEC(ZSTD(1)),
    offset       UInt64 COMMENT 'The message that made it decide: the repeat, or what came late and is older than it' CODEC(Delta, ZSTD(1)),
    batch        UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(session_date)
ORDER BY (session_date, urn, session, period, pupil_id, version, content, again, ingested_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Unchanged repeats that decide between those who disagree';

CREATE MATERIALIZED VIEW touched_reasserted_view TO touched AS
SELECT batch, session_date, urn, session, pupil_id, false AS alone FROM mark_reassertion
WHERE period = '' OR urn IN (SELECT urn FROM lesson_rule);

-- An assertion is named by its version and content: two records of one page have one version.
ALTER TABLE period_current ADD COLUMN IF NOT EXISTS content UInt64 COMMENT 'Hash of what it says, as in mark_event' CODEC(ZSTD(1)) AFTER in_scope;

ALTER TABLE period_current_view MODIFY QUERY
SELECT session_date, urn, session, period, pupil_id, source, source_kind, record_id, group_id, code_scheme, raw_code, minutes_late, deleted,
       asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id
FROM mark_event
WHERE period != '' AND NOT superseded;

-- What stands of before, but for what the view has brought in by now.
INSERT INTO period_current
(
    session_date, urn, session, period, pupil_id, source, source_kind, record_id, group_id, code_scheme, raw_code, minutes_late, deleted,
    asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id
)
SELECT session_date, urn, session, period, pupil_id, source, source_kind, record_id, group_id, code_scheme, raw_code, minutes_late, deleted,
       asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id
FROM mark_event
WHERE period != '' AND NOT superseded AND event_id NOT IN (SELECT event_id FROM period_current WHERE content != 0);

-- As in 0025; of who disagree and are preferred neither the latest is who said it last, written or not.
CREATE OR REPLACE VIEW period_marks
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM, as the source puts the lesson',
    period         LowCardinality(String) COMMENT 'As the source calls the lesson',
    pupil_id       UInt64 COMMENT 'Surrogate',
    source         LowCardinality(String) COMMENT 'The system whose mark counts',
    source_kind    LowCardinality(String) COMMENT 'register or mis',
    group_id       LowCardinality(String) COMMENT 'Group of the register; empty for MIS pages',
    raw_code       LowCardinality(String) COMMENT 'As received',
    canonical_code LowCardinality(String) COMMENT 'National code by the map in force; empty when no map knows it (rule 2)',
    label          String COMMENT 'What the code means',
    category       LowCardinality(String) COMMENT 'What the code would count as in a session; a lesson counts in no figure',
    minutes_late   Nullable(Int16),
    asserted_at    DateTime64(3, 'UTC') COMMENT 'When the source said so',
    exceptions     Array(LowCardinality(String)) COMMENT 'Findings about this mark (exception_kind)',
    year_group     LowCardinality(String),
    sources        UInt8 COMMENT 'Sources with a mark that stands',
    disagree       Bool COMMENT 'Those sources say different codes',
    school_name    String,
    la_code        LowCardinality(String),
    trust_id       LowCardinality(String),
    phase          LowCardinality(String) COMMENT 'Rule 13',
    event_id       UInt64 COMMENT 'The delivery in marks_history that counts'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    (SELECT mapFromArrays(groupArray(toUInt64(k.bit)), groupArray(toString(k.name))) FROM exception_kind AS k FINAL) AS names
SELECT
    p.session_date AS session_date, p.urn AS urn, toString(p.session) AS session, p.period AS period, p.pupil_id AS pupil_id,
    p.said.1 AS source, toString(p.said.2) AS source_kind, p.said.3 AS group_id, p.said.4 AS raw_code, p.said.5 AS canonical_code,
    c.label AS label, if(p.said.5 = '', 'unknown', c.category) AS category, if(p.said.6 < 0, NULL, p.said.6) AS minutes_late,
    p.said.7 AS asserted_at, arrayMap(bit -> names[bit], bitPositionsToArray(p.said.8)) AS exceptions, p.said.9 AS year_group,
    p.sources AS sources, p.disagree AS disagree, s.school_name AS school_name, s.la_code AS la_code, s.trust_id AS trust_id,
    s.phase AS phase, p.said.10 AS event_id
FROM
(
    SELECT
        l.session_date AS session_date, l.urn AS urn, l.session AS session, l.period AS period, l.pupil_id AS pupil_id,
        argMax(l.said, (l.said.5 NOT IN ('N', ''), l.said.2 = 'mis', l.place)) AS said, any(l.said.5) AS canonical_code,
        toUInt8(least(count(), 255)) AS sources, uniqExact(l.said.5) > 1 AS disagree
    FROM
    (
        SELECT
            a.session_date AS session_date, a.urn AS urn, a.session AS session, a.period AS period, a.pupil_id AS pupil_id, a.source AS of_source,
            argMax(
                (a.source, a.source_kind, a.group_id, a.raw_code, m.canonical_code, a.minutes_late, a.asserted_at, a.exceptions, a.year_group, a.event_id),
                (bitShiftRight(greatest(a.version, g.again), 20), halfMD5(concat(a.source, '\n', a.record_id)))
            ) AS said,
            max((bitShiftRight(greatest(a.version, g.again), 20), halfMD5(concat(a.source, '\n', a.record_id)))) AS place
        FROM (SELECT * FROM period_current FINAL WHERE NOT deleted AND source_kind != 'kiosk') AS a
        LEFT ANY JOIN
        (
            SELECT session_date, urn, session, period, pupil_id, version, content, max(r.again) AS again
            FROM mark_reassertion AS r WHERE r.period != ''
            GROUP BY session_date, urn, session, period, pupil_id, version, content
        ) AS g
            ON a.session_date = g.session_date AND a.urn = g.urn AND a.session = g.session AND a.period = g.period
            AND a.pupil_id = g.pupil_id AND a.version = g.version AND a.content = g.content
        LEFT JOIN
        (
            SELECT scheme, raw_code, canonical_code, valid_from, valid_to FROM code_map FINAL
            WHERE (scheme, version) IN (SELECT scheme, max(version) FROM code_map GROUP BY scheme)
        ) AS m
            ON a.code_scheme = m.scheme AND a.raw_code = m.raw_code
            AND a.session_date >= m.valid_from AND a.session_date <= m.valid_to
        LEFT JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS life ON life.urn = a.urn
        WHERE m.canonical_code != '-' AND (life.urn = 0 OR a.session_date BETWEEN life.opened_on AND life.closed_on)
        GROUP BY a.session_date, a.urn, a.session, a.period, a.pupil_id, a.source
    ) AS l
    GROUP BY l.session_date, l.urn, l.session, l.period, l.pupil_id
) AS p
ASOF LEFT JOIN schools AS s ON s.urn = p.urn AND s.valid_from <= p.session_date
ASOF LEFT JOIN code_categories AS c ON c.canonical_code = p.said.5 AND c.applies_from <= p.session_date
COMMENT 'The mark that counts of each pupil and lesson: as in sessions a definite code, then MIS, then the latest. In no figure (rule 7)';
