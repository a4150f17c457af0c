-- The marks' messages for longer than Kafka keeps them, so that a figure can be followed down to the bytes that caused it. Written by
-- `rollcall archive run` (streams/archiving.py), which is no part of the marks' path; read by `rollcall explain`.
--
-- A message is known by its place. Archived twice it is the same row; one that an erasure wrote again stands before the one as received.
-- How long it is kept is a setting (archive.retention_days), which the archive puts in force when it starts; whole parts go, so that a
-- message may stay up to a month longer.
CREATE TABLE message_archive
(
    topic        LowCardinality(String) CODEC(ZSTD(1)),
    topic_id     LowCardinality(String) COMMENT 'UUID of the topic: a recreated topic starts at offset 0 again' CODEC(ZSTD(1)),
    partition    UInt16 CODEC(ZSTD(1)),
    offset       UInt64 CODEC(T64, ZSTD(1)),
    urn          UInt32 COMMENT 'School, as the key says it; 0 when the key is no number' CODEC(ZSTD(1)),
    key          String CODEC(ZSTD(1)),
    value        String COMMENT 'The bytes as received, or as an erasure left them' CODEC(ZSTD(3)),
    is_null      Bool COMMENT 'The message had no value at all' CODEC(ZSTD(1)),
    replay_of    Array(String) COMMENT 'Values of the header that makes it a replay; empty for none' CODEC(ZSTD(1)),
    arrived_at   DateTime64(3, 'UTC') COMMENT 'By Kafka''s clock' CODEC(T64, ZSTD(1)),
    archived_at  DateTime64(3, 'UTC') CODEC(T64, ZSTD(1)),
    rewritten_at DateTime64(3, 'UTC') COMMENT 'When an erasure wrote it again; 1970-01-01: as received' CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(rewritten_at)
PARTITION BY toYYYYMM(arrived_at)
ORDER BY (topic_id, partition, offset)
TTL toDateTime(arrived_at) + INTERVAL 365 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Messages of the mark topics, as received';

-- Written by erasure before it looks for a pupil's messages, so that one that is archived meanwhile, or once more, does not stay.
CREATE TABLE message_withheld
(
    topic_id  LowCardinality(String),
    partition UInt16,
    offset    UInt64,
    at        DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (topic_id, partition, offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Places of messages that name a pupil who was erased: not archived as received';

-- Without the bytes: they name pupils, and a view may be read by analysts of the embedded stack.
CREATE VIEW messages_archived
(
    topic        LowCardinality(String),
    topic_id     LowCardinality(String) COMMENT 'UUID of the topic',
    partition    UInt16,
    offset       UInt64,
    urn          UInt32 COMMENT 'School; 0 when the key is no number',
    bytes        UInt64 COMMENT 'Length of the message, as it stands in the archive',
    is_replay    Bool COMMENT 'Sent again out of quarantine',
    arrived_at   DateTime64(3, 'UTC') COMMENT 'By Kafka''s clock',
    archived_at  DateTime64(3, 'UTC'),
    is_rewritten Bool COMMENT 'An erasure took a pupil out of it'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    a.topic AS topic, a.topic_id AS topic_id, a.partition AS partition, a.offset AS offset, a.urn AS urn, length(a.value) AS bytes,
    notEmpty(a.replay_of) AS is_replay, a.arrived_at AS arrived_at, a.archived_at AS archived_at,
    a.rewritten_at > toDateTime64(0, 3, 'UTC') AS is_rewritten
FROM message_archive AS a FINAL
COMMENT 'What the archive holds, each message once; the bytes are for `rollcall explain --bytes`';
