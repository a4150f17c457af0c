-- The spans of days on which each school is open, weekends left in, since some schools teach on Saturdays. Read by the worker
-- (streams/world.py). Each academic year of a school has a calendar of its own, and the latest taken of that year counts. Days are
-- numbers since 1970; schools with the same weeks (most of an authority's) are worked out once.
WITH
    weeks AS
    (
        SELECT urn, arraySort(groupUniqArrayArray(arrayZip(arrayMap(week -> toUInt16(week), week_commencing), days))) AS opened
        FROM school_calendar FINAL
        GROUP BY urn
    ),
    calendars AS
    (
        SELECT opened, groupArray(urn) AS urns FROM weeks GROUP BY opened
    ),
    open AS
    (
        SELECT urns, arraySort(arrayDistinct(arrayFlatten(arrayMap(week -> arrayMap(day -> week.1 + day - 1, week.2), opened)))) AS days
        FROM calendars
    ),
    spans AS
    (
        -- A span begins where the day before is not open.
        SELECT urns, arraySplit((day, begins) -> begins, days, arrayMap((day, at) -> at = 1 OR days[at - 1] + 1 != day, days, arrayEnumerate(days))) AS opened
        FROM open
    )
SELECT urn, toDate(toUInt16(span[1])) AS first_day, toDate(toUInt16(span[-1])) AS last_day
FROM spans
ARRAY JOIN urns AS urn
ARRAY JOIN opened AS span
ORDER BY urn, first_day
