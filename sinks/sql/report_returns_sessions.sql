-- Ten unauthorised sessions (G, N, O, U) or more within ten school weeks, whatever the term, year and school (rules 20 and 25): one row a
-- pupil, of those ten weeks that have most; the school is that of the latest. Read by sinks/returns.py.
-- Filled in: sessions, absence_sessions.sql. A school week of a pupil is one in which the pupil had a possible session.
SELECT 'unauthorised-sessions' AS kind, urn, pupil_id, year_group, toUInt64(amount) AS amount, first_day, last_day
FROM
(
    SELECT
        pupil_id, sum(absent) OVER rolling AS amount, argMax(urn, to_day) OVER rolling AS urn, argMax(year_group, to_day) OVER rolling AS year_group,
        minIf(from_day, absent > 0) OVER rolling AS first_day, maxIf(to_day, absent > 0) OVER rolling AS last_day
    FROM
    (
        SELECT
            pupil_id, toMonday(session_date) AS week, countIf(absence_type = 'unauthorised') AS absent,
            argMaxIf(urn, session_date, absence_type = 'unauthorised') AS urn, argMax(year_group, session_date) AS year_group,
            minIf(session_date, absence_type = 'unauthorised') AS from_day, maxIf(session_date, absence_type = 'unauthorised') AS to_day
        FROM ({sessions})
        WHERE is_possible
        GROUP BY pupil_id, week
    )
    WINDOW rolling AS (PARTITION BY pupil_id ORDER BY week ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
)
WHERE amount >= 10
ORDER BY amount DESC, last_day DESC
LIMIT 1 BY pupil_id
