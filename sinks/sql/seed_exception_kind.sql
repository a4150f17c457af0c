-- The exceptions as they stand. Read by sinks/seed.py.
SELECT bit, name, what, when_it_matters, how_to_resolve FROM exception_kind FINAL
