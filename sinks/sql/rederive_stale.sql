-- Keys of one date that were derived before their code last changed its meaning. The change of a code is looked up by itself: of several
-- publications at once, the last need not be the one that concerns it. changes: rederive_changes.sql.
-- Read by sinks/derive.py and sinks/as_at_marks.py.
(
SELECT d.session_date AS session_date, d.urn AS urn, d.session AS session, d.pupil_id AS pupil_id
FROM
(
    SELECT session_date, urn, session, pupil_id, toUInt64(bitShiftRight(derived_version, 64)) AS seen FROM mark_current FINAL
    WHERE session_date = {day:Date} AND seen < (SELECT max(number) FROM {changes})
) AS d
INNER JOIN
(
    SELECT a.urn AS urn, a.session AS session, a.pupil_id AS pupil_id, max(c.number) AS number
    FROM (SELECT urn, session, pupil_id, code_scheme, raw_code FROM {said} WHERE session_date = {day:Date}) AS a
    INNER JOIN {changes} AS c ON c.scheme = a.code_scheme AND c.raw_code = a.raw_code
    GROUP BY a.urn, a.session, a.pupil_id
) AS a ON a.urn = d.urn AND a.session = d.session AND a.pupil_id = d.pupil_id
WHERE d.seen < a.number
)
