-- Writes the calendars in force that are not there: of a loader that knew nothing of them. Read by sinks/reference.py, which fills in
-- calendars: school_calendars.sql, and there what is wanted.
INSERT INTO school_calendar (urn, academic_year, taken_at, week_commencing, week, days)
{calendars}
