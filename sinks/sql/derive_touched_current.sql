-- `current` of derive_counts.sql for the schools and dates that some batches touched. Read by sinks/derive.py.
(
    SELECT * FROM mark_current FINAL
    WHERE (session_date, urn) IN (SELECT DISTINCT session_date, urn FROM touched WHERE batch IN {batches:Array(UInt64)})
)
