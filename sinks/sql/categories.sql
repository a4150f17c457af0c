-- Every version of what codes count as, row by row. Read by sinks/categories.py.
SELECT
    version, toString(canonical_code) AS canonical_code, toString(category) AS category, valid_from, valid_to, label, published_at,
    toString(author) AS author, reason
FROM code_category FINAL
ORDER BY version, canonical_code, valid_from
