-- Session dates with current marks that a change of the rules between sources may touch and that were derived before it: where other
-- than one source has a mark that stands. `changes`: school (0: all), first and last session date, number. Read by sinks/derive.py.
WITH {changes:Array(Tuple(UInt32, Date, Date, UInt64))} AS changes
SELECT DISTINCT session_date FROM mark_current FINAL
WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND sources != 1
  AND arrayExists(c -> (c.1 = 0 OR c.1 = urn) AND session_date BETWEEN c.2 AND c.3 AND bitShiftRight(derived_version, 64) < c.4, changes)
ORDER BY session_date
