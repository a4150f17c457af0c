-- Every school that ever published a rule for lessons (rule 7). Read by sinks/reference.py, for the worker.
SELECT DISTINCT urn FROM lesson_rule
