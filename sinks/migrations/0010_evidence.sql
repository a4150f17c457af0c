-- Evidence of kiosks stands in the history and in mark_assertion, and touches no key: the statutory marks and counts are
-- derived without it (rule 17), so there is nothing to derive for it. And the facts themselves, sign-outs and visitors too.
-- Written by the worker (mark_event) and by the kiosk agent (streams/agents/kiosk.py).

ALTER TABLE touched_view MODIFY QUERY
SELECT batch, session_date, urn, session, pupil_id FROM mark_event
WHERE period = '' AND NOT superseded AND source_kind != 'kiosk';

CREATE TABLE kiosk_event
(
    event_date      Date COMMENT 'School-local date of event_at (rule 8)' CODEC(ZSTD(1)),
    urn             UInt32 COMMENT 'School (GIAS URN)' CODEC(Delta, ZSTD(1)),
    source          LowCardinality(String) COMMENT 'The system that said so' CODEC(ZSTD(1)),
    event_id        String COMMENT 'A UUID made from source and idempotency_key: a repeat is the same event' CODEC(ZSTD(1)),
    site            LowCardinality(String) COMMENT 'The source''s id of the place; empty when not given' CODEC(ZSTD(1)),
    person_ref      String COMMENT 'What the source calls the person; a UPN only as a keyed hash' CODEC(ZSTD(1)),
    scheme          LowCardinality(String) CODEC(ZSTD(1)),
    direction       Enum8('in' = 1, 'out' = 2) CODEC(ZSTD(1)),
    reason_code     LowCardinality(String) COMMENT 'Why, as a code of the source; empty when not given' CODEC(ZSTD(1)),
    event_at        DateTime64(3, 'UTC') COMMENT 'By the kiosk''s clock' CODEC(T64, ZSTD(1)),
    pushed_at       DateTime64(3, 'UTC') COMMENT '1970-01-01 when not given' CODEC(T64, ZSTD(1)),
    device          LowCardinality(String) COMMENT 'Empty when not given' CODEC(ZSTD(1)),
    evidence_id     String COMMENT 'submission_id of the evidence it gave; empty: none (a sign-out, a visitor, no timetable)' CODEC(ZSTD(1)),
    ingested_at     DateTime64(3, 'UTC') COMMENT 'When Rollcall took it in' CODEC(T64, ZSTD(1)),
    first_known     UInt64 MATERIALIZED 18446744073709551615 - toUInt64(toUnixTimestamp64Milli(ingested_at)) CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(first_known)
PARTITION BY toYYYYMM(event_date)
ORDER BY (event_date, urn, source, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Sign-ins and sign-outs of kiosks, as said: facts, no marks';

CREATE VIEW kiosk_events
(
    event_date  Date COMMENT 'School-local date (rule 8)',
    urn         UInt32 COMMENT 'School',
    source      LowCardinality(String) COMMENT 'The system that said so',
    site        LowCardinality(String),
    person_ref  String COMMENT 'What the source calls the person; a UPN only as a keyed hash',
    scheme      LowCardinality(String),
    direction   LowCardinality(String) COMMENT 'in or out; a sign-in without a sign-out says nothing',
    reason_code LowCardinality(String),
    event_at    DateTime64(3, 'UTC') COMMENT 'By the kiosk''s clock',
    pushed_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'When the source sent it on',
    device      LowCardinality(String),
    is_evidence Bool COMMENT 'It gave evidence about a session of a pupil (source_kind kiosk in marks_history)',
    event_id    String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    event_date, urn, source, site, person_ref, scheme, toString(direction) AS direction, reason_code, event_at,
    if(k.pushed_at = toDateTime64(0, 3, 'UTC'), NULL, k.pushed_at) AS pushed_at, device, evidence_id != '' AS is_evidence, event_id
FROM kiosk_event AS k FINAL
COMMENT 'What kiosks said, each event once';
