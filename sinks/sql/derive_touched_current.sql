-- `current` of derive_counts.sql for the sessions of schools that some batches touched. Read by sinks/derive.py.
(
    SELECT * FROM mark_current FINAL
    WHERE (session_date, urn, session) IN (SELECT DISTINCT session_date, urn, session FROM touched WHERE batch IN {batches:Array(UInt64)})
)
