-- The marks of strike_counts.sql, one delivery each, taken in by 14:00; and a later one of a pupil of every twentieth school where
-- `later`. Read by benchmarks/strike.py.
INSERT INTO mark_event
    (session_date, urn, session, pupil_id, pupil_scheme, source, source_kind, code_scheme, raw_code, canonical_code, map_version,
     asserted_at, version, ingested_at, year_group, in_scope, event_id, topic, topic_id, offset, item, batch)
SELECT
    {day:Date}, 100000 + school, if(afternoon = 0, 'AM', 'PM'), cityHash64(school * 300 + year + 11 * place), 'mis', 'classroom', 'register',
    'national', code, code, 1, addHours(toDateTime64({day:Date}, 3, 'UTC'), if({later:Bool}, 15, 13)) AS at,
    bitShiftLeft(toUInt64(toUnixTimestamp64Milli(at)), 20), at, toString(1 + year), true, cityHash64(number, {later:Bool}),
    'attendance.register.v1', 'benchmark', number + if({later:Bool}, 1000000000, 0), place, 1
FROM
(
    SELECT
        number, intDiv(number, 594) AS school, intDiv(number % 594, 297) AS afternoon, number % 297 % 11 AS year,
        intDiv(number % 297, 11) AS place, if(afternoon = 0, '/', '\\') AS here,
        multiIf({later:Bool}, 'L', school % 5 = 0, 'Y',
            school % 5 = 1, multiIf(place < 14, here, place < 16, 'I', place < 26, 'Y', 'L'),
            multiIf(place < 24, here, place < 26, 'I', 'L')) AS code
    FROM numbers({schools:UInt32} * 594)
    WHERE NOT {later:Bool} OR (number % 594 = 0 AND school % 20 = 0)
)
