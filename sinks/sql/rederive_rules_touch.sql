-- The keys of one date that rederive_rules_days.sql means, put on the work list of derive. Read by sinks/derive.py.
INSERT INTO touched (batch, session_date, urn, session, pupil_id)
WITH {changes:Array(Tuple(UInt32, Date, Date, UInt64))} AS changes
SELECT {batch:UInt64}, session_date, urn, session, pupil_id FROM mark_current FINAL
WHERE session_date = {day:Date} AND sources != 1
  AND arrayExists(c -> (c.1 = 0 OR c.1 = urn) AND session_date BETWEEN c.2 AND c.3 AND bitShiftRight(derived_version, 64) < c.4, changes)
