-- When sessions begin by the timetables in force of schools: their registers of sessions, drawn together; of those {wanted}, a condition on
-- urn and taken_at. Read by the loader when it starts (sinks/reference.py, sinks/sql/school_openings_make.sql), which otherwise writes the
-- row with the timetable, and as at an instant (sinks/sql/as_at_tables.sql).
WITH in_force AS
(
    SELECT urn, taken_at
    FROM (SELECT toUInt32(key) AS urn, max(taken_at) AS taken_at FROM reference_version WHERE kind = 'register' GROUP BY key)
    WHERE {wanted}
)
SELECT
    v.urn AS urn, v.taken_at AS taken_at, r.sessions AS session, r.openings AS opens_at, r.on AS weekdays, r.cycles AS weeks,
    r.first_days AS valid_from, r.last_days AS valid_to
FROM in_force AS v
LEFT JOIN
(
    SELECT
        urn, taken_at, groupArray(session) AS sessions, groupArray(opens) AS openings, groupArray(weekdays) AS on, groupArray(weeks) AS cycles,
        groupArray(valid_from) AS first_days, groupArray(valid_to) AS last_days
    FROM
    (
        SELECT urn, taken_at, session, min(opens_at) AS opens, weekdays, weeks, valid_from, valid_to
        FROM expected_register
        WHERE period = '' AND (urn, taken_at) IN (SELECT urn, taken_at FROM in_force)
        GROUP BY urn, taken_at, session, weekdays, weeks, valid_from, valid_to
    )
    GROUP BY urn, taken_at
) AS r ON r.urn = v.urn AND r.taken_at = v.taken_at
