-- Current marks and counts as they stand now, set aside as they are: a partition is linked, not copied, and nothing merges it meanwhile.
-- engine, counts_engine: those of the tables. Read by sinks/as_at_marks.py, which attaches the partitions.
CREATE TABLE mark_current_standing AS {now}.mark_current
ENGINE = {engine}, max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1;

CREATE TABLE school_session_standing AS {now}.school_session
ENGINE = {counts_engine}, max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1;
