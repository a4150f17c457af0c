-- `asked` of derive_said_again.sql for a slice of days and schools. Read by sinks/verify.py and sinks/as_at_marks.py.
session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
