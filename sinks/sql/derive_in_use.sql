-- Whether any pupil's marks count, or once counted, for another, whether any school has, or once had, a rule for lessons, and the rules
-- between sources that hold. rules: source_rules_in_force.sql. Read by sinks/derive.py: where there are none, derive says the same for less.
SELECT (SELECT count() > 0 FROM pupil_alias WHERE to_pupil_id != 0), (SELECT count() > 0 FROM lesson_rule), {rules}
