-- Counts of the other sessions of a slice of which something came later: what is counted now, without the marks that stand now of the
-- pupil-sessions concerned, and with those that stood then. Read by sinks/as_at_marks.py.
INSERT INTO school_session_then (session_date, urn, session, in_scope, year_group, canonical_code, marks, derived_version)
SELECT
    session_date, urn, session, in_scope, year_group, canonical_code, sum(n) AS left,
    throwIf(left < 0, 'school_session does not count the marks of mark_current: run rollcall verify')
FROM
(
    SELECT session_date, urn, session, in_scope, year_group, canonical_code, toInt64(marks) AS n FROM school_session_standing FINAL
    UNION ALL
    SELECT session_date, urn, session, in_scope, year_group, canonical_code, -1 FROM mark_current_standing FINAL
    PREWHERE {key} IN (SELECT key FROM as_at_later)
    WHERE is_mark
    UNION ALL
    SELECT session_date, urn, session, in_scope, year_group, canonical_code, 1 FROM mark_current_then FINAL WHERE is_mark
)
WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
  AND (session_date, urn, session) IN (SELECT session_date, urn, session FROM as_at_later)
  AND (session_date, urn, session) NOT IN (SELECT session_date, urn, session FROM as_at_later WHERE NOT sure)
GROUP BY session_date, urn, session, in_scope, year_group, canonical_code
HAVING left != 0
