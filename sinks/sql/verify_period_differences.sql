-- Where period_current is not what the history says, per day, school and session. Read by sinks/verify.py.
-- rebuilt: verify_periods.sql.
SELECT kind, session_date, urn, CAST(session, 'String') AS session, count() AS found
FROM
(
    SELECT session_date, urn, session, multiIf(countIf(side = 'stored') = 0, 'missing', countIf(side = 'rebuilt') = 0, 'surplus', 'differs') AS kind
    FROM
    (
        SELECT 'rebuilt' AS side, session_date, urn, session, period, pupil_id, source, record_id,
            cityHash64(version, deleted, group_id, code_scheme, raw_code, minutes_late, asserted_at, exceptions, year_group, in_scope, event_id) AS says
        FROM {rebuilt}
        UNION ALL
        SELECT 'stored', session_date, urn, session, period, pupil_id, source, record_id,
            cityHash64(version, deleted, group_id, code_scheme, raw_code, minutes_late, asserted_at, exceptions, year_group, in_scope, event_id)
        FROM period_current FINAL
        WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
    )
    GROUP BY session_date, urn, session, period, pupil_id, source, record_id
    HAVING count() != 2 OR uniqExact(says) != 1
)
GROUP BY kind, session_date, urn, session
ORDER BY session_date, urn, session, kind
