-- What has been applied to this database. Read by sinks/migrate.py.
CREATE TABLE IF NOT EXISTS schema_migration
(
    number   UInt32,
    name     String,
    checksum String COMMENT 'xxh3 of its statements',
    run      String COMMENT 'The run of migrate that wrote this row',
    state    Enum8('begun' = 1, 'applied' = 2),
    at       DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY (number, state, at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Migrations begun and applied'
