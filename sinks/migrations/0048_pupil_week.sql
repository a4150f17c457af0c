-- A school's week as marks of its pupils, packed, so that a year to date of an authority is read in the time of a week's marks: made of
-- mark_current beside the hot path (sinks/weeks.py, `rollcall weeks run`) and read where it is as new as school_session, which `seen` says;
-- elsewhere the marks themselves are read. Nothing is decided here: what codes count as, which days are left out and when a pupil was on
-- roll is applied when reading, so that history is never written again.

-- One row a week, written whole. Arrays side by side: an entry is a code in a scope and year group, with the pupils who had it and, for
-- each of them, the sessions as bits: Monday AM is 1, Monday PM 2, ... Sunday PM 8192.
CREATE TABLE pupil_week
(
    week           Date COMMENT 'Monday' CODEC(ZSTD(1)),
    urn            UInt32 CODEC(Delta, ZSTD(1)),
    seen           UInt64 COMMENT 'What school_session said when the week was made: of its sessions and their versions' CODEC(NONE),
    made_at        DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    marks          UInt32 CODEC(ZSTD(1)),
    in_scope       Array(Bool) CODEC(ZSTD(1)),
    year_group     Array(LowCardinality(String)) CODEC(ZSTD(1)),
    canonical_code Array(LowCardinality(String)) COMMENT 'Empty: unmapped (rule 2)' CODEC(ZSTD(1)),
    pupil_id       Array(Array(UInt64)) CODEC(ZSTD(1)),
    sessions       Array(Array(UInt16)) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(made_at)
PARTITION BY toYYYYMM(week)
ORDER BY (urn, week)
SETTINGS index_granularity = 8, non_replicated_deduplication_window = 0
COMMENT 'Marks that count of a school''s week, packed; sinks/weeks.py';
