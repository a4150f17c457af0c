-- Where mark_current is not what the rule says of the history, per day, school and session. Read by sinks/verify.py.
-- rebuilt: derive_current.sql over verify_assertions.sql. derived_version says what a row has seen, not what it says.
SELECT kind, session_date, urn, CAST(session, 'String') AS session, count() AS found
FROM
(
    SELECT session_date, urn, session, multiIf(countIf(side = 'stored') = 0, 'missing', countIf(side = 'rebuilt') = 0, 'surplus', 'differs') AS kind
    FROM
    (
        SELECT 'rebuilt' AS side, session_date, urn, session, pupil_id,
            cityHash64(source, source_kind, raw_code, canonical_code, minutes_late, is_mark, asserted_at, exceptions, year_group, in_scope, sources, disagree, losers, event_id) AS says
        FROM {rebuilt}
        UNION ALL
        SELECT 'stored', session_date, urn, session, pupil_id,
            cityHash64(source, source_kind, raw_code, canonical_code, minutes_late, is_mark, asserted_at, exceptions, year_group, in_scope, sources, disagree, losers, event_id)
        FROM mark_current FINAL
        WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
    )
    GROUP BY session_date, urn, session, pupil_id
    HAVING count() != 2 OR uniqExact(says) != 1
)
GROUP BY kind, session_date, urn, session
ORDER BY session_date, urn, session, kind
