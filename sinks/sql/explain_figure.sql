-- A cell's figure, as the reports add it up, and how many schools have a mark in it. Read by sinks/explaining.py.
-- Filled in: counts, a view of counts of a basis; measure, a column of it; wanted, explain_wanted.sql.
SELECT toInt64(sum({measure})), uniqExactIf(urn, marks > 0)
FROM {counts}
WHERE {wanted}
