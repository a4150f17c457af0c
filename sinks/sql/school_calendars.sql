-- The calendars in force of schools and academic years, the weeks of each in one row; those {wanted}, a condition on urn, academic_year and
-- taken_at. Read by the loader when it starts (sinks/reference.py, sinks/sql/school_calendars_make.sql), which otherwise writes the row with
-- the calendar, and as at an instant (sinks/sql/as_at_tables.sql).
WITH in_force AS
(
    SELECT urn, academic_year, taken_at
    FROM (SELECT urn, academic_year, max(taken_at) AS taken_at FROM calendar_term GROUP BY urn, academic_year)
    WHERE {wanted}
)
SELECT t.urn AS urn, t.academic_year AS academic_year, t.taken_at AS taken_at, w.mondays AS week_commencing, w.names AS week, w.open AS days
FROM in_force AS t
LEFT JOIN
(
    SELECT urn, academic_year, taken_at, groupArray(week_commencing) AS mondays, groupArray(week) AS names, groupArray(days) AS open
    FROM
    (
        SELECT DISTINCT urn, academic_year, taken_at, week_commencing, week, days FROM school_week
        WHERE (urn, academic_year, taken_at) IN (SELECT urn, academic_year, taken_at FROM in_force)
    )
    GROUP BY urn, academic_year, taken_at
) AS w ON w.urn = t.urn AND w.academic_year = t.academic_year AND w.taken_at = t.taken_at
