-- The schools of a cell and their parts, out of the marks that count. Read by sinks/explaining.py.
-- Filled in: marks, explain_marks.sql; measure, a condition on a mark; wanted, explain_wanted.sql.
SELECT urn, any(school_name), toInt64(countIf({measure})) AS part
FROM {marks}
WHERE {wanted}
GROUP BY urn
HAVING part > 0
ORDER BY part DESC, urn
