-- In how many school days a mark may be amended (rule 26), as each school or trust has agreed it. A load is a whole version: one insert, in
-- force from then on for all session dates it names; what was in force before stays to be seen. Written by sinks/amendment_windows.py.
CREATE TABLE amendment_window
(
    published_at DateTime64(6, 'UTC') COMMENT 'Names the version: in force is the greatest',
    urn          UInt32 COMMENT '0: every school without a window of its own on that date',
    valid_from   Date COMMENT 'First session date (rule 10)',
    valid_to     Date COMMENT 'Last session date; 2149-06-06 is open',
    school_days  UInt16
)
ENGINE = ReplacingMergeTree ORDER BY (published_at, urn, valid_from)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Amendment windows, every version';

CREATE VIEW amendment_windows
(
    urn          UInt32 COMMENT 'School; 0: every school without a window of its own on that date',
    valid_from   Date COMMENT 'First session date',
    valid_to     Date COMMENT 'Last session date; 2149-06-06 is open',
    school_days  UInt16 COMMENT 'A mark may be amended until so many school days after its session',
    published_at DateTime64(6, 'UTC') COMMENT 'When this version was loaded'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT urn, valid_from, valid_to, school_days, published_at FROM amendment_window FINAL
WHERE published_at = (SELECT max(published_at) FROM amendment_window)
COMMENT 'Amendment windows in force (rule 26); 5 school days where none says';
