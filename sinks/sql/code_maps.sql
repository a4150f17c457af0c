-- Every version of the code maps of a scheme, or of all, entry by entry. Read by sinks/code_maps.py.
SELECT
    toString(scheme) AS scheme, version, toString(raw_code) AS raw_code, toString(canonical_code) AS canonical_code, valid_from, valid_to,
    published_at, toString(author) AS author, reason
FROM code_map FINAL
WHERE {scheme:Nullable(String)} IS NULL OR scheme = {scheme:Nullable(String)}
ORDER BY scheme, version, raw_code, valid_from
