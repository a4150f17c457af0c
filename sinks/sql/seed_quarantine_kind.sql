-- The reasons for quarantine as they stand. Read by sinks/seed.py.
SELECT name, what, when_it_matters, how_to_resolve FROM quarantine_kind FINAL
