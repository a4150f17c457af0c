-- Schools for which an authority is responsible on a day (rule 12: access follows today's responsibility). Read by sinks/returns.py.
SELECT urn, argMax(school_name, valid_from) AS school_name
FROM schools
WHERE valid_from <= {today:Date}
GROUP BY urn
HAVING argMax(la_code, valid_from) = {la:String}
ORDER BY urn
