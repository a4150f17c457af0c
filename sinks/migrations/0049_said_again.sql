-- What is said again unchanged is not written to the history; the receipt alone has it. Where two say different things of one pupil and
-- session and the rule prefers neither, the latest stands, and a repeat makes who says it the latest: then, and only then, it is written
-- here (streams/kernels.py: suppress), and derive takes the assertion for as late as it was last said (sinks/sql/derive_said_again.sql).

-- Nothing makes these rows again but the messages themselves, so they are on disk before the worker goes on, as the history is.
CREATE TABLE mark_reassertion
(
    session_date Date CODEC(ZSTD(1)),
    urn          UInt32 CODEC(Delta, ZSTD(1)),
    session      Enum8('AM' = 1, 'PM' = 2) CODEC(ZSTD(1)),
    pupil_id     UInt64 CODEC(ZSTD(1)),
    version      UInt64 COMMENT 'Of the assertion that was said again, as in mark_assertion' CODEC(ZSTD(1)),
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
ORDER BY (session_date, urn, session, pupil_id, version, content, again, ingested_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Unchanged repeats that decide between those who disagree';

CREATE MATERIALIZED VIEW touched_reasserted_view TO touched AS
SELECT batch, session_date, urn, session, pupil_id, false AS alone FROM mark_reassertion;
