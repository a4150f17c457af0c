-- Schools' weeks that are not in pupil_week as school_session says them, and how many weeks there are in all. Read by sinks/weeks.py.
-- Filled in: compared, weeks_compared.sql.
SELECT groupArrayIf((urn, week), differs OR NOT counted) AS stale, count() AS weeks
FROM ({compared})
