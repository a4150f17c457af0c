-- Session dates that hold a mark (of a lesson too, where a school has a rule for lessons) whose code changed its meaning, and a current mark that was derived before the latest such change.
-- Which marks those are is asked date by date (rederive_stale.sql). changes: rederive_changes.sql.
-- Read by sinks/derive.py after a code map was published.
SELECT DISTINCT session_date FROM {said}
WHERE (code_scheme, raw_code) IN (SELECT scheme, raw_code FROM {changes})
  AND session_date IN
  (
      SELECT DISTINCT session_date FROM mark_current
      WHERE bitShiftRight(derived_version, 64) < (SELECT max(number) FROM {changes})
  )
ORDER BY session_date
