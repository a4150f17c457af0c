-- The spans of days on which each school is open: its terms without its closures (rule 21), weekends left in, since some
-- schools teach on Saturdays. Read by the worker (streams/world.py). Each academic year of a school has a calendar of its
-- own, and the latest taken of that year counts. Days are numbers since 1970; schools with the same terms and closures
-- (most of an authority's) are worked out once.
WITH
    in_force AS
    (
        SELECT urn, academic_year, max(taken_at) FROM calendar_term GROUP BY urn, academic_year
    ),
    terms AS
    (
        SELECT urn, arraySort(groupUniqArray((toUInt16(first_day), toUInt16(last_day)))) AS spans
        FROM calendar_term
        WHERE last_day >= first_day AND (urn, academic_year, taken_at) IN in_force
        GROUP BY urn
    ),
    closures AS
    (
        SELECT urn, arraySort(groupUniqArray((toUInt16(first_day), toUInt16(last_day)))) AS spans
        FROM calendar_closure
        WHERE last_day >= first_day AND (urn, academic_year, taken_at) IN in_force
        GROUP BY urn
    ),
    calendars AS
    (
        SELECT terms.spans AS taught, closures.spans AS closed, groupArray(terms.urn) AS urns
        FROM terms LEFT JOIN closures ON closures.urn = terms.urn
        GROUP BY taught, closed
    ),
    open AS
    (
        SELECT
            urns,
            arrayFlatten(arrayMap(span -> range(span.1, toUInt32(span.2) + 1), closed)) AS closed_days,
            arraySort(arrayDistinct(arrayFlatten(arrayMap(span -> range(span.1, toUInt32(span.2) + 1), taught)))) AS taught_days,
            arrayFilter(day -> NOT has(closed_days, day), taught_days) AS days
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
