-- The spans of days on which each school is open: its terms without its closures (rule 21), weekends left in, since some
-- schools teach on Saturdays. Read by the worker (streams/world.py). Each academic year of a school has a calendar of its
-- own, and the latest taken of that year counts.
WITH
    calendar AS
    (
        SELECT urn, academic_year, max(taken_at) AS taken_at FROM calendar_term GROUP BY urn, academic_year
    ),
    closed AS
    (
        SELECT DISTINCT urn, arrayJoin(range(toUInt32(toUInt16(first_day)), toUInt32(toUInt16(last_day)) + 1)) AS day
        FROM calendar_closure
        WHERE last_day >= first_day AND (urn, academic_year, taken_at) IN (SELECT urn, academic_year, taken_at FROM calendar)
    ),
    open AS
    (
        SELECT DISTINCT urn, arrayJoin(range(toUInt32(toUInt16(first_day)), toUInt32(toUInt16(last_day)) + 1)) AS day
        FROM calendar_term
        WHERE last_day >= first_day AND (urn, academic_year, taken_at) IN (SELECT urn, academic_year, taken_at FROM calendar)
    ),
    schools AS
    (
        SELECT urn, arraySort(groupArray(day)) AS days
        FROM open
        WHERE (urn, day) NOT IN (SELECT urn, day FROM closed)
        GROUP BY urn
    ),
    spans AS
    (
        -- A span begins where the day before is not open.
        SELECT urn, arrayJoin(arraySplit((day, begins) -> begins, days, arrayMap((day, at) -> at = 1 OR days[at - 1] + 1 != day, days, arrayEnumerate(days)))) AS span
        FROM schools
    )
SELECT urn, toDate(toUInt16(span[1])) AS first_day, toDate(toUInt16(span[-1])) AS last_day
FROM spans
ORDER BY urn, first_day
