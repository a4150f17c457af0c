-- Which local authority each school belongs to on a day (rule 12). Read by sinks/snapshots.py.
SELECT urn, argMax(la_name, valid_from)
FROM schools
WHERE valid_from <= {day:Date} AND la_name != ''
GROUP BY urn
