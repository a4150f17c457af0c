-- Columns with their comments, in their order. Read by sinks/schema_page.py.
SELECT table, name, type, comment FROM system.columns
WHERE database = currentDatabase() AND default_kind != 'MATERIALIZED'
ORDER BY table, position
