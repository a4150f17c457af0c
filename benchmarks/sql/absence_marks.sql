-- Marks of both sessions of some school days, of every pupil of absence_roll.sql: benchmarks/absence.py knows by the same arithmetic
-- who was absent when. `from`: which school day of the year the first of `days` is. Read by benchmarks/absence.py.
INSERT INTO mark_current
    (session_date, urn, session, pupil_id, source, source_kind, raw_code, canonical_code, is_mark, asserted_at, year_group, in_scope,
     sources, event_id, derived_version)
SELECT
    {days:Array(Date)}[day + 1] AS session_date, 100000 + school, if(afternoon = 0, 'AM', 'PM') AS session, cityHash64(school, place), 'classroom',
    'register', code, code, true, addHours(toDateTime64(session_date, 3, 'UTC'), 9), toString(1 + place % 11), true, 1,
    cityHash64(session_date, session, school, place), bitOr(bitShiftLeft(toUInt128(1), 64), toUInt128(1000 * day + place))
FROM
(
    SELECT
        school, place, day, afternoon, 2 * ({from:UInt32} + day) + afternoon AS number_of_session,
        multiIf(place % 50 < 40, intDiv(place % 50, 5), place % 50 < 47, 12, place % 50 < 49, 25, 60) AS share,
        multiIf(place % 50 = 3 AND number_of_session % 10 = 0, 'Y',
            (13 * number_of_session + place) % 100 < share, if(place % 3 = 0, 'O', 'I'),
            (number_of_session + place) % 40 = 0, 'L', afternoon = 0, '/', '\\') AS code
    FROM
    (
        SELECT number AS school, range(if(number % 6 = 0, {pupils:UInt32}, {others:UInt32})) AS places
        FROM numbers({schools:UInt32} * 6)
    ) AS s
    ARRAY JOIN places AS place
    CROSS JOIN (SELECT number AS day FROM numbers(length({days:Array(Date)}))) AS d
    CROSS JOIN (SELECT number AS afternoon FROM numbers(2)) AS a
)
