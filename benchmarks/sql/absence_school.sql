-- Schools of the absence benchmark, six authorities in turn. Read by benchmarks/absence.py.
INSERT INTO school
    (urn, name, la_code, la_name, region_code, region_name, establishment_type, phase, state_funded, status, valid_from, valid_to, taken_at)
SELECT
    100000 + number, concat('School ', toString(number)), toString(901 + number % 6), concat('Authority ', toString(number % 6)),
    concat('E1200000', toString(1 + number % 6)), concat('Region ', toString(number % 6)), 'Community school',
    if(number % 5 < 4, 'Primary', 'Secondary'), true, 'open', '2015-09-01', '2149-06-06', '2025-01-01'
FROM numbers({schools:UInt32} * 6)
