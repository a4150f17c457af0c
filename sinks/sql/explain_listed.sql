-- The marks of a cell, one by one. Read by sinks/explaining.py. Filled in as explain_schools.sql.
SELECT
    pupil_id, toString(session) AS session, urn, toString(year_group) AS year_group, toString(canonical_code) AS code, toString(raw_code) AS raw_code,
    label, toString(category) AS category, toString(source) AS source, toString(source_kind) AS source_kind, sources, disagree,
    arrayMap(l -> (toString(l.1), toString(l.2), toString(l.3), toString(l.4), l.7, toString(l.8)), losers) AS lost, event_id, publication,
    basis_rule, toString(statutory_source) AS statutory_source, toString(statutory_code) AS statutory_code,
    lesson_rule
FROM {marks}
WHERE {wanted} AND {measure}
ORDER BY urn, session, pupil_id
LIMIT {limit:UInt32}
