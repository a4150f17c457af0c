-- What became of what was refused: sent again (a replay), judged again, or discarded. An entry of quarantine is never changed: its
-- story stands here, under the place of its first delivery, and the entry is open until the story ends (0022).

-- An entry is worth another try when newer reference data of its school is known than the worker knew when it judged.
ALTER TABLE quarantine ADD COLUMN IF NOT EXISTS
    reference_at DateTime64(6, 'UTC') COMMENT 'Newest reference data that the worker knew when it refused it' AFTER ingested_at;

-- A judgement is one row a replay and item, whoever writes it: of two writers' the better outcome stands, as the history does
-- before the quarantine. Written after mark_event and quarantine, so that what it says stands in the tables.
CREATE TABLE quarantine_trail
(
    topic_id           LowCardinality(String) COMMENT 'First delivery: UUID of the topic',
    partition          UInt16,
    offset             UInt64,
    item               Int32 COMMENT '-1: the whole message',
    what               Enum8('sent' = 1, 'judged' = 2, 'discarded' = 3),
    run                String COMMENT 'Which run of replay, healing or discard',
    by                 LowCardinality(String) COMMENT 'Who: a role or a staff reference, or healing',
    why                String COMMENT 'Of a discard: its reason in words',
    replayed_topic_id  LowCardinality(String) COMMENT 'The replay: UUID of the topic',
    replayed_partition UInt16,
    replayed_offset    UInt64,
    replayed_item      Int32 COMMENT 'As item; -1 when the replay was refused as a whole',
    outcome            Enum8('' = 0, 'refused' = 1, 'unchanged' = 2, 'accepted' = 3) COMMENT 'Of a judgement; why it was refused is said by the entry of the replay in quarantine',
    reference_at       DateTime64(6, 'UTC') COMMENT 'Newest reference data that the worker knew when it judged',
    at                 DateTime64(3, 'UTC'),
    batch              UInt64,
    outcome_order      UInt8 MATERIALIZED CAST(outcome, 'UInt8')
)
ENGINE = ReplacingMergeTree(outcome_order)
ORDER BY (topic_id, partition, offset, item, what, run, replayed_topic_id, replayed_partition, replayed_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What was done about entries of quarantine: sent again, judged again, discarded';
