-- `assertions` of derive_current.sql for a school and a session date. Read by sinks/lesson_rules.py.
(
    SELECT * FROM mark_assertion FINAL WHERE session_date = {day:Date} AND urn = {urn:UInt32}
)
