-- Whether any pupil's marks count, or once counted, for another, and whether any school has, or once had, a rule for lessons.
-- Read by sinks/verify.py, sinks/as_at_marks.py and sinks/code_maps.py: where not, derive says the same for less.
SELECT (SELECT count() > 0 FROM pupil_alias WHERE to_pupil_id != 0), (SELECT count() > 0 FROM lesson_rule)
