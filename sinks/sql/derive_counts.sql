-- Counts per school, session, scope, year group and canonical code, out of the marks that count.
-- Read by sinks/derive.py (into school_session, for touched schools) and sinks/verify.py.
-- `current`: mark_current FINAL, `before`: school_session, both restricted by their caller to the same schools and dates.
-- A count that vanished is written as zero, else its old row would stand for ever.
SELECT
    session_date, urn, session, in_scope, year_group, canonical_code,
    toUInt32(sum(n)) AS marks,
    any(v) AS derived_version
FROM
(
    SELECT session_date, urn, session, in_scope, year_group, canonical_code, count() AS n
    FROM {current}
    WHERE is_mark
    GROUP BY session_date, urn, session, in_scope, year_group, canonical_code
    UNION ALL
    SELECT session_date, urn, session, in_scope, year_group, canonical_code, 0 AS n
    FROM {before}
) AS counted
ANY LEFT JOIN
(
    SELECT session_date, urn, session,
        bitOr(bitShiftLeft(bitShiftRight(max(derived_version), 64), 64), toUInt128(sum(toUInt64(derived_version)))) AS v
    FROM {current}
    GROUP BY session_date, urn, session
) AS seen USING (session_date, urn, session)
GROUP BY session_date, urn, session, in_scope, year_group, canonical_code
