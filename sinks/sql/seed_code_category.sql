-- The built-in categories as they stand. Read by sinks/seed.py.
SELECT
    canonical_code, label, category, in_possible_sessions, counts_as_attendance, absence_type, valid_from, valid_to, dfe_column, version,
    applies_from, author, reason
FROM code_category FINAL
WHERE version = 0
