-- How many rows of each table a slice compares. Read by sinks/verify.py.
SELECT
    (SELECT count() FROM mark_assertion FINAL WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}),
    (SELECT count() FROM mark_current FINAL WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}),
    (SELECT count() FROM school_session FINAL WHERE marks > 0 AND session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}),
    (SELECT count() FROM period_current FINAL WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32})
