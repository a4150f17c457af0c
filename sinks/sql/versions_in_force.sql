-- By what a report is made: the latest code map, the latest rules between sources, and the latest that any school has published of how
-- a session's mark follows from lessons. Read by sinks/as_at.py.
SELECT
    (SELECT max(version) FROM code_map) AS code_map,
    (SELECT max(version) FROM source_rule) AS rules,
    (SELECT max(version) FROM lesson_rule) AS lesson_rules
