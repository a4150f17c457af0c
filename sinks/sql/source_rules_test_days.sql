-- Session dates on which several sources have a mark for a pupil and session. Read by sinks/source_rules.py.
SELECT DISTINCT session_date FROM mark_current
WHERE sources > 1 AND ({day:Nullable(Date)} IS NULL OR session_date = {day:Nullable(Date)})
ORDER BY session_date
