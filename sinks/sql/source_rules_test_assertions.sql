-- `assertions` of derive_current.sql for the pupils for whose session of a date several sources have a mark. Read by sinks/source_rules.py.
(
    SELECT * FROM mark_assertion FINAL
    WHERE session_date = {day:Date}
      AND (urn, session, pupil_id) IN (SELECT urn, session, pupil_id FROM mark_current FINAL WHERE session_date = {day:Date} AND sources > 1)
)
