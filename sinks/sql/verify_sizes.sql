-- How many rows of each table a slice of a day compares. Read by sinks/verify.py.
SELECT
    (SELECT count() FROM mark_assertion FINAL WHERE session_date = {day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}),
    (SELECT count() FROM mark_current FINAL WHERE session_date = {day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}),
    (SELECT count() FROM school_session FINAL WHERE marks > 0 AND session_date = {day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32})
