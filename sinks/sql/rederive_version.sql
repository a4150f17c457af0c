-- The latest publication of any code map, and of anything in the one sequence of publications; 0 before the first. Read by sinks/derive.py.
SELECT
    (SELECT max(version) FROM code_map) AS map,
    greatest(map, (SELECT max(version) FROM source_rule), (SELECT max(version) FROM pupil_alias), (SELECT max(version) FROM lesson_rule)) AS publication
