-- What is in force: the latest code map, rules between sources, and publication of any kind. Read by sinks/explaining.py.
SELECT
    (SELECT max(version) FROM code_map) AS code_map, (SELECT max(version) FROM source_rule) AS source_rule,
    greatest(code_map, source_rule, (SELECT max(version) FROM pupil_alias)) AS publication
