-- Schools of the strike benchmark: 150 authorities, nine regions, the nation's mix of phases. Read by benchmarks/strike.py.
INSERT INTO school
    (urn, name, la_code, la_name, region_code, region_name, establishment_type, phase, state_funded, status, valid_from, valid_to, taken_at)
SELECT
    100000 + number, concat('School ', toString(number)), toString(201 + number % 150), concat('Authority ', toString(number % 150)),
    concat('E1200000', toString(1 + number % 150 % 9)), concat('Region ', toString(number % 150 % 9)), 'Community school',
    multiIf(number % 100 < 78, 'Primary', number % 100 < 95, 'Secondary', 'Special'), true, 'open', '2015-09-01', '2149-06-06', '2023-01-01'
FROM numbers({schools:UInt32})
