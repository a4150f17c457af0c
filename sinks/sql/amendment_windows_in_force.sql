-- The amendment windows in force. Read by sinks/amendment_windows.py.
SELECT urn, valid_from, valid_to, school_days FROM amendment_windows ORDER BY urn, valid_from
