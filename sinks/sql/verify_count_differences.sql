-- Where school_session is not the count of the marks that the rule gives, per day, school and session. Read by sinks/verify.py.
-- rebuilt: derive_counts.sql over derive_current.sql over verify_assertions.sql, or over verify_current.sql. A stored zero is a count that vanished.
SELECT kind, session_date, urn, CAST(session, 'String') AS session, count() AS found
FROM
(
    SELECT session_date, urn, session, multiIf(sumIf(marks, side = 'stored') = 0, 'missing', sumIf(marks, side = 'rebuilt') = 0, 'surplus', 'differs') AS kind
    FROM
    (
        SELECT 'rebuilt' AS side, session_date, urn, session, in_scope, year_group, canonical_code, marks FROM {rebuilt}
        UNION ALL
        SELECT 'stored', session_date, urn, session, in_scope, year_group, canonical_code, marks
        FROM school_session FINAL
        WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
    )
    GROUP BY session_date, urn, session, in_scope, year_group, canonical_code
    HAVING sumIf(marks, side = 'stored') != sumIf(marks, side = 'rebuilt')
)
GROUP BY kind, session_date, urn, session
ORDER BY session_date, urn, session, kind
