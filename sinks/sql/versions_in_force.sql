-- By what a report is made: the latest code map, the latest rules between sources, the latest that any school has published of how a
-- session's mark follows from lessons, and the latest of what codes count as. Read by sinks/as_at.py.
SELECT
    (SELECT max(version) FROM code_map) AS code_map,
    (SELECT max(version) FROM source_rule) AS rules,
    (SELECT max(version) FROM lesson_rule) AS lesson_rules,
    (SELECT max(version) FROM code_category) AS categories
