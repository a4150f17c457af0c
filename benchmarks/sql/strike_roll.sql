-- 300 pupils of eleven year groups at each school of the strike benchmark. Read by benchmarks/strike.py.
INSERT INTO enrolment
    (urn, taken_at, pupil_id, first_day, last_day, status, year_group, age_31_august, boarder, part_time, in_scope)
SELECT
    100000 + intDiv(number, 300), '2023-01-01', cityHash64(number), '2022-09-01', '2149-06-06', 'main', toString(1 + number % 300 % 11),
    5 + number % 300 % 11, false, false, true
FROM numbers({schools:UInt32} * 300)
