-- The immutable history and what stands beside it: one row per delivered mark, one per refused mark, one per message.
-- Written by the worker (streams/); read by derive, verify, reconcile and the analyst views.

-- merge_selector_base: parts are merged later and more at once than by default (5): half the merging for the same end.
-- A row is a delivery: event_id = hash64(topic id, partition, offset, item). Delivering it twice is the same row.
-- `first_known` keeps the earliest ingested_at when a delivery arrives again, so knowledge time never moves (rule 9).
CREATE TABLE mark_event
(
    session_date     Date COMMENT 'School-local date of the session (rule 8)' CODEC(ZSTD(1)),
    urn              UInt32 COMMENT 'School (GIAS URN)' CODEC(Delta, ZSTD(1)),
    session          Enum8('AM' = 1, 'PM' = 2) CODEC(ZSTD(1)),
    period           LowCardinality(String) COMMENT 'Lesson period; empty for a session mark (rule 7)' CODEC(ZSTD(1)),
    pupil_id         UInt64 COMMENT 'Surrogate given by the crosswalk' CODEC(ZSTD(1)),
    pupil_ref        String COMMENT 'What the source calls the pupil; a UPN only as a keyed hash' CODEC(ZSTD(1)),
    pupil_scheme     LowCardinality(String) CODEC(ZSTD(1)),
    source           LowCardinality(String) COMMENT 'The system that asserts the mark' CODEC(ZSTD(1)),
    source_kind      Enum8('register' = 1, 'mis' = 2, 'kiosk' = 3) CODEC(ZSTD(1)),
    record_id        String COMMENT 'The source''s id of the record; empty for registers' CODEC(ZSTD(1)),
    group_id         LowCardinality(String) COMMENT 'Group of the register; empty for MIS pages' CODEC(ZSTD(1)),
    code_scheme      LowCardinality(String) CODEC(ZSTD(1)),
    raw_code         LowCardinality(String) COMMENT 'As received' CODEC(ZSTD(1)),
    canonical_code   LowCardinality(String) COMMENT 'By the map in force on arrival; empty when unmapped (rule 2)' CODEC(ZSTD(1)),
    map_version      UInt32 CODEC(ZSTD(1)),
    minutes_late     Int16 COMMENT '-1 when not given' CODEC(ZSTD(1)),
    amended_from     LowCardinality(String) COMMENT 'Original code of an amendment (rule 26); empty otherwise' CODEC(ZSTD(1)),
    amend_reason     LowCardinality(String) CODEC(ZSTD(1)),
    amended_by       LowCardinality(String) COMMENT 'Staff reference' CODEC(ZSTD(1)),
    amended_position LowCardinality(String) CODEC(ZSTD(1)),
    amend_evidence   LowCardinality(String) CODEC(ZSTD(1)),
    amended_at       DateTime64(3, 'UTC') COMMENT '1970-01-01 when not an amendment' CODEC(ZSTD(1)),
    deleted          Bool COMMENT 'The source says the record is gone' CODEC(ZSTD(1)),
    superseded       Bool COMMENT 'Older than a re-assertion of the same mark: history, never an assertion' CODEC(ZSTD(1)),
    asserted_at      DateTime64(3, 'UTC') COMMENT 'When the source said so, capped (rule 6)' CODEC(T64, ZSTD(1)),
    version          UInt64 COMMENT 'asserted_at in ms << 20 | offset mod 2^20: one total order' CODEC(T64, ZSTD(1)),
    ingested_at      DateTime64(3, 'UTC') COMMENT 'When Rollcall took it in: knowledge time' CODEC(T64, ZSTD(1)),
    exceptions       UInt32 COMMENT 'Bits of findings about an accepted mark; names in exception_kind' CODEC(ZSTD(1)),
    year_group       LowCardinality(String) COMMENT 'By the roster known on arrival' CODEC(ZSTD(1)),
    in_scope         Bool COMMENT 'Counts in the headline (rule 14), by the roster known on arrival' CODEC(ZSTD(1)),
    content          UInt64 COMMENT 'Hash of what the mark says: code, scheme, minutes late, amendment' CODEC(ZSTD(1)),
    event_id         UInt64 CODEC(NONE),
    topic            LowCardinality(String) CODEC(ZSTD(1)),
    topic_id         LowCardinality(String) COMMENT 'UUID of the topic: a recreated topic starts at offset 0 again' CODEC(ZSTD(1)),
    partition        UInt16 CODEC(ZSTD(1)),
    offset           UInt64 CODEC(T64, ZSTD(1)),
    item             UInt32 COMMENT 'Position in the message: marks from 0, then deletions' CODEC(T64, ZSTD(1)),
    schema_id        UInt32 CODEC(ZSTD(1)),
    batch            UInt64 CODEC(ZSTD(1)),
    first_known      UInt64 MATERIALIZED 18446744073709551615 - toUInt64(toUnixTimestamp64Milli(ingested_at)) CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(first_known)
PARTITION BY toYYYYMM(session_date)
ORDER BY (session_date, urn, session, period, pupil_id, source, event_id)
SETTINGS non_replicated_deduplication_window = 10000, merge_selector_base = 10, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Immutable history: every accepted mark as delivered';

-- One row per refused mark (item >= 0) or refused message (item = -1), with the reason. Bytes stand once, in quarantine_message.
CREATE TABLE quarantine
(
    reason       LowCardinality(String),
    urn          UInt32 COMMENT '0 when unreadable',
    source       LowCardinality(String),
    session_date Date COMMENT '1970-01-01 when unreadable',
    session      LowCardinality(String),
    detail       String COMMENT 'What is wrong and where; no pupil data',
    event_id     UInt64,
    topic        LowCardinality(String),
    topic_id     LowCardinality(String),
    partition    UInt16,
    offset       UInt64,
    item         Int32 COMMENT '-1: the whole message',
    schema_id    UInt32,
    ingested_at  DateTime64(3, 'UTC'),
    batch        UInt64,
    first_known  UInt64 MATERIALIZED 18446744073709551615 - toUInt64(toUnixTimestamp64Milli(ingested_at))
)
ENGINE = ReplacingMergeTree(first_known)
ORDER BY (topic_id, partition, offset, item)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Refused for now, with reason; replayable from quarantine_message';

CREATE TABLE quarantine_message
(
    topic       LowCardinality(String),
    topic_id    LowCardinality(String),
    partition   UInt16,
    offset      UInt64,
    key         String,
    value       String COMMENT 'The bytes as received' CODEC(ZSTD(3)),
    is_null     Bool COMMENT 'The message had no value at all',
    produced_at DateTime64(3, 'UTC') COMMENT 'Kafka timestamp',
    ingested_at DateTime64(3, 'UTC'),
    batch       UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (topic_id, partition, offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Bytes of every message that holds something refused, once';

-- One row per decoded message: what it said it was, when, and what became of its marks.
-- `unchanged_keys` names the assertions it re-asserted without a row in the history.
CREATE TABLE register_receipt
(
    urn            UInt32,
    source         LowCardinality(String),
    source_kind    Enum8('register' = 1, 'mis' = 2, 'kiosk' = 3),
    submission_id  String COMMENT 'submission_id of a register, pull_id of a page',
    group_id       LowCardinality(String),
    session_date   Date COMMENT 'Of a register; window_from of a page; 1970-01-01 when none',
    session        LowCardinality(String),
    period         LowCardinality(String),
    window_to      Date,
    page           Int32 COMMENT '-1 for a register',
    last_page      Bool,
    complete       Bool,
    revision       Int32,
    asserted_at    DateTime64(3, 'UTC'),
    version        UInt64,
    opened_at      DateTime64(3, 'UTC'),
    closed_at      DateTime64(3, 'UTC'),
    taken_by       LowCardinality(String),
    marks          UInt32 COMMENT 'Marks and deletions in the message',
    accepted       UInt32,
    unchanged      UInt32,
    quarantined    UInt32,
    unchanged_keys Array(UInt64) COMMENT 'Hashes of (assertion key, pupil_id) re-asserted at `version`',
    content        UInt64 COMMENT 'Hash of the raw bytes',
    topic          LowCardinality(String),
    topic_id       LowCardinality(String),
    partition      UInt16,
    offset         UInt64,
    schema_id      UInt32,
    produced_at    DateTime64(3, 'UTC'),
    ingested_at    DateTime64(3, 'UTC'),
    batch          UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(produced_at)
ORDER BY (topic_id, partition, offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row per message taken in';

-- The range ledger: one row per contiguous offset range of one partition. Steps and states: docs/guarantees.md.
CREATE TABLE ledger
(
    consumer_group LowCardinality(String),
    topic          LowCardinality(String),
    topic_id       LowCardinality(String),
    partition      UInt16,
    first_offset   UInt64,
    last_offset    UInt64,
    epoch          UInt64,
    batch          UInt64,
    ingested_at    DateTime64(3, 'UTC'),
    digest         UInt64 COMMENT 'xxh3 over offsets and raw bytes',
    map_version    UInt32,
    state          Enum8('PENDING' = 1, 'DONE' = 2, 'SUPERSEDED' = 3),
    messages       UInt64 COMMENT 'last_offset - first_offset + 1',
    decoded        UInt64,
    undecodable    UInt64,
    no_record      UInt64 COMMENT 'Offsets without a record: transaction markers, gaps',
    marks          UInt64,
    accepted       UInt64,
    unchanged      UInt64,
    quarantined    UInt64,
    at             DateTime64(6, 'UTC') DEFAULT now64(6),
    state_order    UInt8 MATERIALIZED CAST(state, 'UInt8') COMMENT 'A version cannot be an Enum: the later state stands'
)
ENGINE = ReplacingMergeTree(state_order)
ORDER BY (consumer_group, topic_id, partition, first_offset, epoch)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What the workers have taken from Kafka, range by range';

-- Owners of partitions, by compare-and-set: an insert with token epoch:{group}:{topic id}:{partition}:{n}; the row that stands is the owner.
CREATE TABLE epoch_claim
(
    consumer_group LowCardinality(String),
    topic_id       LowCardinality(String),
    partition      UInt16,
    epoch          UInt64,
    worker         String,
    at             DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY (consumer_group, topic_id, partition, epoch)
SETTINGS non_replicated_deduplication_window = 1000000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Who owned a partition, epoch by epoch';
