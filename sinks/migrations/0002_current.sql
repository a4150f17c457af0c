-- Current state, all of it derived from mark_event by SQL (sinks/sql/derive_*.sql) and rebuildable by `rollcall verify`.

-- The latest mark of each record of each source. Filled by a view; superseded and period marks are not assertions (rule 7).
CREATE TABLE mark_assertion
(
    session_date Date CODEC(ZSTD(1)),
    urn          UInt32 CODEC(Delta, ZSTD(1)),
    session      Enum8('AM' = 1, 'PM' = 2) CODEC(ZSTD(1)),
    pupil_id     UInt64 CODEC(ZSTD(1)),
    source       LowCardinality(String) CODEC(ZSTD(1)),
    source_kind  Enum8('register' = 1, 'mis' = 2, 'kiosk' = 3) CODEC(ZSTD(1)),
    record_id    String CODEC(ZSTD(1)),
    code_scheme  LowCardinality(String) CODEC(ZSTD(1)),
    raw_code     LowCardinality(String) CODEC(ZSTD(1)),
    minutes_late Int16 CODEC(ZSTD(1)),
    deleted      Bool CODEC(ZSTD(1)),
    asserted_at  DateTime64(3, 'UTC') CODEC(T64, ZSTD(1)),
    version      UInt64 CODEC(T64, ZSTD(1)),
    ingested_at  DateTime64(3, 'UTC') CODEC(T64, ZSTD(1)),
    exceptions   UInt32 CODEC(ZSTD(1)),
    year_group   LowCardinality(String) CODEC(ZSTD(1)),
    in_scope     Bool CODEC(ZSTD(1)),
    content      UInt64 CODEC(ZSTD(1)),
    event_id     UInt64 CODEC(NONE),
    topic_id     LowCardinality(String) CODEC(ZSTD(1)),
    partition    UInt16 CODEC(ZSTD(1)),
    offset       UInt64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(session_date)
ORDER BY (session_date, urn, session, pupil_id, source, record_id)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 1024, merge_selector_base = 10
COMMENT 'Latest mark of each source record for a pupil and session';

CREATE MATERIALIZED VIEW mark_assertion_view TO mark_assertion AS
SELECT session_date, urn, session, pupil_id, source, source_kind, record_id, code_scheme, raw_code, minutes_late, deleted,
       asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id, topic_id, partition, offset
FROM mark_event
WHERE period = '' AND NOT superseded;

-- Which keys a batch touched: the work list of derive. Big parts are left unmerged on purpose: rows live for a day only.
CREATE TABLE touched
(
    batch        UInt64 CODEC(ZSTD(1)),
    session_date Date CODEC(ZSTD(1)),
    urn          UInt32 CODEC(ZSTD(1)),
    session      Enum8('AM' = 1, 'PM' = 2) CODEC(ZSTD(1)),
    pupil_id     UInt64 CODEC(LZ4),
    at           DateTime DEFAULT now() CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (batch, session_date, urn)
TTL at + INTERVAL 1 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, max_bytes_to_merge_at_max_space_in_pool = 1048576
COMMENT 'Keys each batch touched';

CREATE MATERIALIZED VIEW touched_view TO touched AS
SELECT batch, session_date, urn, session, pupil_id FROM mark_event WHERE period = '' AND NOT superseded;

-- The assertion that wins, per pupil and session. A row whose is_mark is false says that nothing stands any more (withdrawn, deleted).
-- derived_version grows with what the row has seen (sinks/sql/derive_current.sql), so the later derive wins whoever writes last.
CREATE TABLE mark_current
(
    session_date    Date CODEC(ZSTD(1)),
    urn             UInt32 CODEC(Delta, ZSTD(1)),
    session         Enum8('AM' = 1, 'PM' = 2) CODEC(ZSTD(1)),
    pupil_id        UInt64 CODEC(ZSTD(1)),
    source          LowCardinality(String) CODEC(ZSTD(1)),
    source_kind     Enum8('register' = 1, 'mis' = 2, 'kiosk' = 3) CODEC(ZSTD(1)),
    raw_code        LowCardinality(String) CODEC(ZSTD(1)),
    canonical_code  LowCardinality(String) COMMENT 'By the map in force when derived; empty when unmapped' CODEC(ZSTD(1)),
    minutes_late    Int16 CODEC(ZSTD(1)),
    is_mark         Bool CODEC(ZSTD(1)),
    asserted_at     DateTime64(3, 'UTC') CODEC(T64, ZSTD(1)),
    exceptions      UInt32 CODEC(ZSTD(1)),
    year_group      LowCardinality(String) CODEC(ZSTD(1)),
    in_scope        Bool CODEC(ZSTD(1)),
    sources         UInt8 COMMENT 'Sources with a mark that stands' CODEC(ZSTD(1)),
    disagree        Bool COMMENT 'Those sources say different codes' CODEC(ZSTD(1)),
    event_id        UInt64 COMMENT 'The winning delivery in mark_event' CODEC(NONE),
    derived_version UInt128 COMMENT 'map version << 64 | sum over assertions of (ingested_at - 2026-01-01) in ms' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(derived_version)
PARTITION BY toYYYYMM(session_date)
ORDER BY (session_date, urn, session, pupil_id)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 1024, merge_selector_base = 10
COMMENT 'The mark that counts, per pupil and session';

CREATE TABLE school_session
(
    session_date    Date CODEC(ZSTD(1)),
    urn             UInt32 CODEC(Delta, ZSTD(1)),
    session         Enum8('AM' = 1, 'PM' = 2) CODEC(ZSTD(1)),
    in_scope        Bool CODEC(ZSTD(1)),
    year_group      LowCardinality(String) CODEC(ZSTD(1)),
    canonical_code  LowCardinality(String) COMMENT 'Empty: unmapped, unknown in reports (rule 2)' CODEC(ZSTD(1)),
    marks           UInt32 CODEC(ZSTD(1)),
    derived_version UInt128 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(derived_version)
PARTITION BY toYYYYMM(session_date)
ORDER BY (session_date, urn, session, in_scope, year_group, canonical_code)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 1024, merge_selector_base = 10
COMMENT 'Counts per school, session, scope, year group and canonical code; zeros are written for what vanished';
