-- Tables and views with their comments. Read by sinks/schema_page.py.
SELECT name, comment, engine, sorting_key FROM system.tables WHERE database = currentDatabase()
