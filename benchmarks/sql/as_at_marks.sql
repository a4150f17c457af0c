-- A national day, 280 pupils a school, taken in by ten in the morning and three in the afternoon; where `later`, what came of every
-- fortieth pupil two weeks after. Read by benchmarks/as_at.py.
INSERT INTO mark_event
    (session_date, urn, session, pupil_id, pupil_scheme, source, source_kind, code_scheme, raw_code, canonical_code, map_version, alone,
     asserted_at, version, ingested_at, year_group, in_scope, event_id, topic, topic_id, offset, item, batch)
SELECT
    {day:Date}, 100000 + school, if(afternoon = 0, 'AM', 'PM'), cityHash64(school, place), 'mis', 'classroom', 'register',
    'national', code, code, 1, NOT {later:Bool}, addHours(toDateTime64({day:Date}, 3, 'UTC'), if({later:Bool}, 338, 10 + 5 * afternoon)) AS at,
    bitShiftLeft(toUInt64(toUnixTimestamp64Milli(at)), 20), at, toString(1 + place % 11), true, cityHash64(number, {later:Bool}),
    'attendance.register.v1', 'benchmark', number + if({later:Bool}, 1000000000, 0), place, if({later:Bool}, 2, 1)
FROM
(
    SELECT
        number, intDiv(number, 560) AS school, intDiv(number % 560, 280) AS afternoon, number % 280 AS place,
        multiIf({later:Bool}, 'I', place % 20 = 0, 'L', afternoon = 0, '/', '\\') AS code
    FROM numbers({schools:UInt32} * 560)
    WHERE NOT {later:Bool} OR number % 280 % 40 = 0
)
