-- The built-in rules between sources as they stand. Read by sinks/seed.py.
SELECT version, position, name, source_kind, code_class, precedence, dates_mean, last_day, in_force, author, reason
FROM source_rule FINAL
WHERE version = 0
