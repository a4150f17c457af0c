-- Partitions of a table that hold marks of some session dates. Read by sinks/as_at_marks.py.
SELECT DISTINCT partition_id
FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active
  AND partition_id BETWEEN toString(toYYYYMM({first:Date})) AND toString(toYYYYMM({last:Date}))
ORDER BY partition_id
