-- Active parts of each table. Read by benchmarks/freshness.py.
SELECT table, count() AS parts FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table ORDER BY table
