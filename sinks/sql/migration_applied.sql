-- Migrations applied, each once (two processes may both have finished it). Read by sinks/migrate.py.
SELECT number, any(name), any(checksum)
FROM {database:Identifier}.schema_migration
WHERE state = 'applied'
GROUP BY number
ORDER BY number
