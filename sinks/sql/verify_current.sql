-- `current` of derive_counts.sql for a slice of days and schools whose marks were found to be what the history says: as they stand.
-- Read by sinks/verify.py.
(
    SELECT * FROM mark_current FINAL
    WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
)
