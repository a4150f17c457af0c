-- What was taken out on purpose: a pupil's data by `rollcall erase`, what is older than the law asks for by `rollcall retention`.
-- Nothing here says whose it was. `rollcall reconcile` counts what was erased as accounted for.

-- Places of deliveries that stood in mark_event. Written before they are deleted, so that a run that is killed has lost nothing.
CREATE TABLE erased_mark
(
    topic_id    LowCardinality(String),
    partition   UInt16,
    offset      UInt64,
    item        UInt32 COMMENT 'Position in the message',
    ingested_at DateTime64(3, 'UTC') COMMENT 'When the delivery had been taken in'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic_id, partition, offset, item)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Deliveries that were accepted once and erased since';

CREATE TABLE erasure
(
    at          DateTime64(3, 'UTC') DEFAULT now64(3),
    kind        Enum8('pupil' = 1, 'retention' = 2),
    reason      String COMMENT 'As given by who asked for it',
    before      Date COMMENT 'Of retention: what is older than this day is gone. 1970-01-01 for a pupil',
    rows_erased Map(LowCardinality(String), UInt64) COMMENT 'Rows by table'
)
ENGINE = MergeTree
ORDER BY at
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What was erased, when and why; never whose';
