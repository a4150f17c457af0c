-- {current} of derive_counts.sql: the current marks of the sessions of schools of a slice whose counts now cannot be sure to be of the
-- marks that stand now. Read by sinks/as_at_marks.py.
(
    SELECT * FROM mark_current
    WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
      AND (session_date, urn, session) IN (SELECT session_date, urn, session FROM as_at_later WHERE NOT sure)
)
