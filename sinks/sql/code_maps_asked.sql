-- `code_map` of derive_current.sql as it would be if a map that nobody has published were in force for its scheme: as
-- code_map_in_force.sql. Read by sinks/code_maps.py.
(
    SELECT toString(scheme) AS scheme, toString(raw_code) AS raw_code, toString(canonical_code) AS canonical_code, valid_from, valid_to
    FROM code_map FINAL
    WHERE scheme != {scheme:String} AND (scheme, version) IN (SELECT scheme, max(version) FROM code_map GROUP BY scheme)
    UNION ALL
    SELECT {scheme:String}, entry.1, entry.2, entry.3, entry.4
    FROM (SELECT arrayJoin(JSONExtract({document:String}, 'Array(Tuple(String, String, Date, Date))')) AS entry)
)
