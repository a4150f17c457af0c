-- {current} of derive_counts.sql: the current marks of a slice of days and schools. Read by sinks/as_at_marks.py.
(
    SELECT * FROM mark_current FINAL
    WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
)
