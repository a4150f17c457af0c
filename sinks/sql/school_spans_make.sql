-- Writes the spans of schools whose facts have come. Read by sinks/reference.py, which fills in spans: school_spans.sql; and schools.
INSERT INTO school_span (urn, valid_from, valid_to, name, la_code, la_name, region_code, region_name, trust_id, trust_name,
    establishment_type, phase, state_funded, status, establishment_number, phase_of_education, establishment_status, trust_school_flag,
    opened_on, closed_on, used_until, stands, version)
SELECT * FROM ({spans})
WHERE (urn, version) NOT IN (SELECT urn, version FROM school_span WHERE {schools})
