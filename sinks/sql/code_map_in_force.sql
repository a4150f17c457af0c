-- `code_map` of derive_current.sql: of each scheme the map with the greatest version. Read by sinks/derive.py.
(
    SELECT scheme, raw_code, canonical_code, valid_from, valid_to FROM code_map FINAL
    WHERE (scheme, version) IN (SELECT scheme, max(version) FROM code_map GROUP BY scheme)
)
