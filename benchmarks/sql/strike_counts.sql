-- Counts of both sessions, 27 marks a year group: of five schools one is closed, one restricts, three are open. Read by
-- benchmarks/strike.py.
INSERT INTO school_session (session_date, urn, session, in_scope, year_group, canonical_code, marks, derived_version)
SELECT {day:Date}, 100000 + school, if(afternoon = 0, 'AM', 'PM'), true, toString(1 + year), code, marks, 1
FROM
(
    SELECT
        intDiv(number, 22) AS school, intDiv(number % 22, 11) AS afternoon, number % 11 AS year, if(afternoon = 0, '/', '\\') AS here,
        multiIf(school % 5 = 0, ['Y'], school % 5 = 1, [here, 'I', 'Y', 'L'], [here, 'I', 'L']) AS codes,
        multiIf(school % 5 = 0, [27], school % 5 = 1, [14, 2, 10, 1], [24, 2, 1]) AS counts
    FROM numbers({schools:UInt32} * 22)
)
ARRAY JOIN codes AS code, counts AS marks
