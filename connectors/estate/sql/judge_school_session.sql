-- Read by the simulated estate's judge: counts of marks that stand.
SELECT urn, session_date, toString(session) AS session, canonical_code, in_scope, year_group, marks
FROM school_session FINAL
WHERE marks > 0
