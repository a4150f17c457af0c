-- `assertions` of derive_current.sql for the pupils and sessions of code_maps_test_counted.sql, and for those whose marks
-- count for them. Read by sinks/code_maps.py.
(
    SELECT * FROM mark_assertion FINAL
    WHERE session_date = {day:Date} AND (urn, session, pupil_id) IN
    (
        SELECT urn, session, pupil_id FROM {counted}
        UNION ALL
        SELECT c.urn, c.session, l.pupil_id FROM {counted} AS c INNER JOIN pupil_alias_link AS l ON c.pupil_id = l.to_pupil_id
    )
)
