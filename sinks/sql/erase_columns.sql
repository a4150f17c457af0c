-- Tables that say something of a pupil by our number, and in which column. Read by sinks/erasure.py.
SELECT c.table, groupArray(c.name)
FROM system.columns AS c
INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE c.database = currentDatabase() AND endsWith(t.engine, 'MergeTree') AND endsWith(c.name, 'pupil_id')
GROUP BY c.table
ORDER BY c.table
