-- D without a mark at another school (rules 16 and 25), one row per school and pupil; the amount is of sessions. Read by sinks/returns.py.
-- Filled in: sessions, absence_sessions.sql. A mark at any school will do, of whatever authority: only that there is one is asked.
SELECT
    'dual-unmarked' AS kind, urn, pupil_id, argMax(year_group, session_date) AS year_group, toUInt64(count()) AS amount,
    min(session_date) AS first_day, max(session_date) AS last_day
FROM ({sessions}) AS d
WHERE d.canonical_code = 'D' AND (d.session_date, d.session, d.pupil_id) NOT IN
(
    SELECT session_date, session, pupil_id FROM mark_current FINAL
    WHERE session_date BETWEEN {first:Date} AND {last:Date} AND is_mark AND canonical_code != 'D'
      AND pupil_id IN (SELECT pupil_id FROM mark_current WHERE session_date BETWEEN {first:Date} AND {last:Date} AND canonical_code = 'D')
)
GROUP BY urn, pupil_id
