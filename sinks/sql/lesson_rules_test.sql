-- What rules for lessons would change at a school on a session date: from which code to which ('' is one that no map knows, '-' no
-- mark), and of how many marks. rebuilt: derive_from_lessons.sql by those rules. Read by sinks/lesson_rules.py.
SELECT session, was, becomes, count() AS marks
FROM
(
    SELECT
        session, pupil_id, if(countIf(NOT after) = 0, '-', anyIf(code, NOT after)) AS was, if(countIf(after) = 0, '-', anyIf(code, after)) AS becomes
    FROM
    (
        SELECT toString(session) AS session, pupil_id, false AS after, toString(canonical_code) AS code FROM mark_current FINAL
        WHERE is_mark AND session_date = {day:Date} AND urn = {urn:UInt32}
        UNION ALL
        SELECT toString(session), pupil_id, true, toString(canonical_code) FROM ({rebuilt}) WHERE is_mark
    )
    GROUP BY session, pupil_id
)
WHERE was != becomes
GROUP BY session, was, becomes
ORDER BY session, was, becomes
