-- Writes the openings by timetables in force that are not there: of a loader that knew nothing of them. Read by sinks/reference.py, which
-- fills in openings: school_openings.sql, and there what is wanted.
INSERT INTO school_opening (urn, taken_at, session, opens_at, weekdays, weeks, valid_from, valid_to)
{openings}
