-- Tables and views of the database, each with its engine and its statement. Read by sinks/as_at.py.
SELECT name, engine, engine_full, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name
