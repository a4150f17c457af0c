-- Schools that were, by any version, one of some authorities. Read by sinks/publishing.py.
SELECT DISTINCT urn FROM school WHERE la_code IN {las:Array(String)} ORDER BY urn
