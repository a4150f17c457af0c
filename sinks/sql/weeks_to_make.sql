-- Schools' weeks to make: those of which school_session says something that pupil_week has not seen, in order. marks: about how many.
-- Filled in: compared, weeks_compared.sql. Read by sinks/weeks.py.
SELECT urn, week, said AS seen, marks
FROM ({compared})
WHERE counted AND differs
ORDER BY week, urn
