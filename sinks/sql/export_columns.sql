-- The columns that an export holds, in their order. Read by sinks/exporting.py.
SELECT table, name, type, comment FROM system.columns
WHERE database = currentDatabase() AND default_kind NOT IN ('MATERIALIZED', 'ALIAS')
ORDER BY table, position
