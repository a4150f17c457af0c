-- `lessons` of derive_from_lessons.sql for a slice of days and schools of a past instant. Read by sinks/as_at_marks.py.
(
    SELECT * FROM period_current
    WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
)
