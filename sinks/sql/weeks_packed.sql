-- The marks of schools' weeks, packed as in pupil_week: an entry per code in a scope and year group, pupils and their sessions side by
-- side. A part of weeks_make.sql and absence_weeks.sql; read by sinks/weeks.py. Parameter: stale, (urn, Monday) of the weeks.
SELECT
    week, urn, in_scope, year_group, canonical_code, groupArray(pupil_id) AS pupils, groupArray(marked) AS marked_by,
    sum(bitCount(marked)) AS marks
FROM
(
    SELECT
        toMonday(session_date) AS week, urn, in_scope, year_group, canonical_code, pupil_id,
        groupBitOr(bitShiftLeft(toUInt16(1), 2 * (session_date - week) + (session = 'PM'))) AS marked
    FROM mark_current FINAL
    WHERE is_mark AND (session_date, urn) IN
    (
        SELECT one.2 + day AS session_date, one.1 AS urn
        FROM (SELECT arrayJoin({stale:Array(Tuple(UInt32, Date))}) AS one) ARRAY JOIN range(7) AS day
    )
    GROUP BY week, urn, in_scope, year_group, canonical_code, pupil_id
    ORDER BY urn, week, in_scope, year_group, canonical_code, pupil_id
)
GROUP BY week, urn, in_scope, year_group, canonical_code
