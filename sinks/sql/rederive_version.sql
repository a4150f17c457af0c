-- The latest publication of any code map; 0 before the first. Read by sinks/derive.py.
SELECT max(version) FROM code_map
