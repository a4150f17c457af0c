-- First and last session date of which there are counts. Read by sinks/weeks.py.
SELECT min(session_date) AS earliest, max(session_date) AS latest FROM school_session
