-- Tables that say something of a pupil by our number, and which rows of theirs do: by a column, or by one of packed weeks, whose row is
-- made again without the pupil (sinks/weeks.py). Read by sinks/erasure.py.
SELECT
    c.table,
    groupArray(if(startsWith(c.type, 'Array('), concat('has(arrayFlatten(', c.name, '), {pupil:UInt64})'), concat(c.name, ' = {pupil:UInt64}')))
FROM system.columns AS c
INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE c.database = currentDatabase() AND endsWith(t.engine, 'MergeTree') AND endsWith(c.name, 'pupil_id')
GROUP BY c.table
ORDER BY c.table
