-- Pupils of the absence benchmark: `pupils` at each school of the first authority, `others` elsewhere; of fifty one leaves on
-- {left:Date}. Read by benchmarks/absence.py.
INSERT INTO enrolment
    (urn, taken_at, pupil_id, first_day, last_day, status, year_group, age_31_august, boarder, part_time, in_scope)
SELECT
    100000 + school, '2025-01-01', cityHash64(school, place), '2024-09-01', if(place % 50 = 20, {left:Date}, toDate('2149-06-06')), 'main',
    toString(1 + place % 11), 5 + place % 11, false, false, true
FROM (SELECT number AS school, range(if(number % 6 = 0, {pupils:UInt32}, {others:UInt32})) AS places FROM numbers({schools:UInt32} * 6))
ARRAY JOIN places AS place
