-- The version of the code maps in force, all schemes together: the greatest published. Read by the worker.
SELECT max(version) AS version FROM code_map
