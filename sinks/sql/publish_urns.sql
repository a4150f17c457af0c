-- Schools that were, by any version, one of some authorities. Read by sinks/absence.py.
SELECT DISTINCT urn FROM school WHERE la_code IN {las:Array(String)} ORDER BY urn
