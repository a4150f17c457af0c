-- Which reference data changed after an instant (microseconds since 1970). Read by the worker, every few seconds.
SELECT CAST(kind, 'String') AS kind_name, key, toUnixTimestamp64Micro(max(applied_at)) AS newest
FROM reference_version
WHERE toUnixTimestamp64Micro(applied_at) > {since:Int64}
GROUP BY kind, key
ORDER BY kind, key
