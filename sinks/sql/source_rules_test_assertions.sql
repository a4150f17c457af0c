-- `assertions` of derive_current.sql for the pupils for whose session of a date several sources have a mark, and of
-- those whose marks count for them. Read by sinks/source_rules.py.
(
    SELECT * FROM mark_assertion FINAL
    WHERE session_date = {day:Date}
      AND (urn, session, pupil_id) IN
      (
          WITH several AS (SELECT urn, session, pupil_id FROM mark_current FINAL WHERE session_date = {day:Date} AND sources > 1)
          SELECT urn, session, pupil_id FROM several
          UNION ALL
          SELECT s.urn, s.session, l.pupil_id FROM several AS s INNER JOIN pupil_alias_link AS l ON s.pupil_id = l.to_pupil_id
      )
)
