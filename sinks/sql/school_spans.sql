-- The spans of facts of schools, of all messages about them ({schools}: a condition on urn). A message speaks of the days from its
-- valid_from on: of two about one day the later taken counts, and what a later one overruled from an earlier day on stands no more. Read
-- by the loader (sinks/reference.py, sinks/sql/school_spans_make.sql) and as at an instant (sinks/sql/as_at_tables.sql).
SELECT
    urn, valid_from, if(next_from = toDate('2149-06-06'), valid_to, least(valid_to, next_from - 1)) AS valid_to, name, la_code, la_name,
    region_code, region_name, trust_id, trust_name, establishment_type, phase, state_funded, status, establishment_number,
    phase_of_education, establishment_status, trust_school_flag, opened_on, closed_on,
    if(next_from = toDate('2149-06-06'), next_from, next_from - 1) AS used_until, stands, messages AS version
FROM
(
    SELECT *, leadInFrame(valid_from, 1, toDate('2149-06-06'))
        OVER (PARTITION BY urn, stands ORDER BY valid_from ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_from
    FROM
    (
        SELECT *, taken_at = max(taken_at) OVER (PARTITION BY urn ORDER BY valid_from ROWS UNBOUNDED PRECEDING) AS stands
        FROM
        (
            SELECT *, count() OVER (PARTITION BY urn) AS messages FROM school FINAL
            WHERE {schools}
            ORDER BY taken_at DESC
            LIMIT 1 BY urn, valid_from
        )
    )
)
