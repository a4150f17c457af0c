-- Pupils and sessions of a date whose current mark a map may change: those of whom something was said in a code that it gives another
-- meaning (in a lesson too, where a school has a rule for them), and those for whom their marks count or once counted (aliases). Read by sinks/code_maps.py.
(
    WITH
        JSONExtract({spans:String}, 'Array(Tuple(String, Date, Date))') AS spans,
        said AS
        (
            SELECT DISTINCT urn, session, pupil_id
            FROM {said}
            WHERE session_date = {day:Date} AND source_kind != 'kiosk' AND code_scheme = {scheme:String}
              AND arrayExists(span -> span.1 = raw_code AND session_date BETWEEN span.2 AND span.3, spans)
        )
    SELECT urn, session, pupil_id FROM said
    UNION ALL
    SELECT s.urn, s.session, l.to_pupil_id FROM said AS s INNER JOIN pupil_alias_link AS l ON s.pupil_id = l.pupil_id
)
