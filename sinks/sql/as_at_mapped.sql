-- Session dates on which a mark stands that was derived before some code last changed its meaning: whether it was that mark's code is
-- asked of each such date (rederive_stale.sql). changes: rederive_changes.sql. Read by sinks/as_at_marks.py.
SELECT DISTINCT session_date FROM mark_current
WHERE session_date BETWEEN {first} AND {last} AND {schools} AND bitShiftRight(derived_version, 64) < (SELECT max(number) FROM {changes})
ORDER BY session_date
