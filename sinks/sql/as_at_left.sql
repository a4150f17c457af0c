-- Databases whose names begin so. Read by sinks/as_at.py.
SELECT name FROM system.databases WHERE startsWith(name, {prefix:String}) ORDER BY name
