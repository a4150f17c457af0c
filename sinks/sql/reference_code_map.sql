-- The code maps in force: of each scheme the greatest version. Read by the worker (streams/world.py).
SELECT
    CAST(scheme, 'String') AS scheme, CAST(raw_code, 'String') AS raw_code,
    CAST(canonical_code, 'String') AS canonical_code, valid_from, valid_to
FROM code_map FINAL
WHERE (scheme, version) IN (SELECT scheme, max(version) FROM code_map GROUP BY scheme)
ORDER BY scheme, raw_code, valid_from
