-- Counts per school, session, scope, year group and canonical code, out of the marks that count.
-- Read by sinks/derive.py (into school_session, for touched schools) and sinks/verify.py.
-- `current`: mark_current FINAL, `before`: school_session, both restricted by their caller to the same schools and dates.
-- A count that vanished is written as zero, else its old row would stand for ever.
-- A version is made of what the marks have seen (bits 0 to 62 of theirs), whether the rule was asked or not, and of the publications
-- they have seen, added up: so it is another one whichever mark is derived again, and packed weeks know by it (weeks_seen.sql).
-- `current` is read once: the versions of a school and session are summed over its groups by a window.
SELECT session_date, urn, session, in_scope, year_group, canonical_code, marks, derived_version
FROM
(
    SELECT
        session_date, urn, session, in_scope, year_group, canonical_code, toUInt32(n) AS marks, existed,
        bitOr(bitShiftLeft(toUInt128(sum(map_part) OVER school), 64), toUInt128(sum(seen) OVER school)) AS derived_version
    FROM
    (
        SELECT
            session_date, urn, session, in_scope, year_group, canonical_code,
            sum(c) AS n, max(e) AS existed, sum(h) AS map_part, sum(l) AS seen
        FROM
        (
            SELECT
                session_date, urn, session, in_scope, year_group, canonical_code, countIf(is_mark) AS c, 0 AS e,
                sum(toUInt64(bitShiftRight(derived_version, 64))) AS h, sum(bitAnd(toUInt64(derived_version), 9223372036854775807)) AS l
            FROM {current}
            GROUP BY session_date, urn, session, in_scope, year_group, canonical_code
            UNION ALL
            SELECT session_date, urn, session, in_scope, year_group, canonical_code, 0 AS c, 1 AS e, 0 AS h, 0 AS l
            FROM {before}
        )
        GROUP BY session_date, urn, session, in_scope, year_group, canonical_code
    )
    WINDOW school AS (PARTITION BY session_date, urn, session)
)
WHERE marks > 0 OR existed
