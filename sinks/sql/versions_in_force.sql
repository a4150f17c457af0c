-- By what a report is made: the latest code map and the latest rules between sources. Read by sinks/as_at.py.
SELECT (SELECT max(version) FROM code_map) AS code_map, (SELECT max(version) FROM source_rule) AS rules
