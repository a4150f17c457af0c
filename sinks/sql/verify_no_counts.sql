-- {before} of derive_counts.sql when counts are rebuilt from nothing. Read by sinks/verify.py.
(SELECT * FROM school_session WHERE false)
