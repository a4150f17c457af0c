-- The tables that keep rows, with what they are and how they are sorted. Read by sinks/exporting.py.
SELECT name, comment, sorting_key, startsWith(engine, 'Replacing') OR startsWith(engine, 'ReplicatedReplacing') AS has_versions, create_table_query
FROM system.tables
WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree')
