-- Further pupil-sessions for which the rule must be asked: those with lessons at a school that had, by then, a rule for lessons (rule 7).
-- Read by sinks/as_at_marks.py.
INSERT INTO as_at_several (key)
SELECT DISTINCT {key} AS key FROM mark_event
WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
  AND period != '' AND NOT superseded AND source_kind != 'kiosk' AND urn IN (SELECT urn FROM lesson_rule)
