-- Returns that a school makes of its own pupils (rule 25), one row per return, school and pupil: days of unauthorised absence one after the
-- other (from ten on), days of illness in all (from 15 on), sessions of C2 and of E. Read by sinks/returns.py.
-- Filled in: sessions, absence_sessions.sql. A day of unauthorised absence is one whose possible sessions are all so. What is not possible, or not marked, neither makes such a day
-- nor ends the run of them. A day of illness has I in one of its sessions.
SELECT
    said.1 AS kind, urn, pupil_id, year_group, toUInt64(said.2) AS amount, said.3 AS first_day, said.4 AS last_day
FROM
(
    SELECT
        urn, pupil_id, argMax(year_group, session_date) AS year_group,
        arraySort(groupArrayIf((session_date, absent_day), possible > 0)) AS days,
        -- The days of each run, in order; a day that is none begins an empty one.
        arraySort(run -> (-length(run), run),
            arrayMap(part -> arrayMap(day -> day.1, arrayFilter(day -> day.2, part)), arraySplit(day -> NOT day.2, days)))[1] AS run,
        countIf(ill > 0) AS sick, minIf(session_date, ill > 0) AS sick_from, maxIf(session_date, ill > 0) AS sick_to,
        sum(part_time) AS part_time_sessions, minIf(session_date, part_time > 0) AS part_time_from, maxIf(session_date, part_time > 0) AS part_time_to,
        sum(excluded) AS excluded_sessions, minIf(session_date, excluded > 0) AS excluded_from, maxIf(session_date, excluded > 0) AS excluded_to
    FROM
    (
        SELECT
            urn, pupil_id, session_date, any(year_group) AS year_group, countIf(is_possible) AS possible,
            countIf(absence_type = 'unauthorised') AS unauthorised, possible > 0 AND unauthorised = possible AS absent_day,
            countIf(canonical_code = 'I') AS ill, countIf(canonical_code = 'C2') AS part_time, countIf(canonical_code = 'E') AS excluded
        FROM ({sessions})
        GROUP BY urn, pupil_id, session_date
    )
    GROUP BY urn, pupil_id
)
ARRAY JOIN
[
    ('unauthorised-days', if(length(run) >= 10, length(run), 0), run[1], run[-1]),
    ('sickness', if(sick >= 15, sick, 0), sick_from, sick_to),
    ('part-time', part_time_sessions, part_time_from, part_time_to),
    ('excluded', excluded_sessions, excluded_from, excluded_to)
] AS said
WHERE said.2 > 0
