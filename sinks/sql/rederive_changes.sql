-- Raw codes whose meaning some version of their scheme's map changed, and the greatest version that did: an entry came, or was there no
-- more. Read by sinks/derive.py.
(
    SELECT scheme, raw_code, max(changed_at) AS number
    FROM
    (
        SELECT e.scheme AS scheme, e.raw_code AS raw_code, arrayJoin(arrayFilter(
            (version, before) -> has(e.present, version) != has(e.present, before), v.versions, arrayPushFront(arrayPopBack(v.versions), 0)
        )) AS changed_at
        FROM
        (
            SELECT scheme, raw_code, canonical_code, valid_from, valid_to, groupUniqArray(version) AS present
            FROM code_map FINAL
            WHERE empty({schemes:Array(String)}) OR scheme IN {schemes:Array(String)}
            GROUP BY scheme, raw_code, canonical_code, valid_from, valid_to
        ) AS e
        INNER JOIN (SELECT scheme, arraySort(groupUniqArray(version)) AS versions FROM code_map GROUP BY scheme) AS v ON v.scheme = e.scheme
    )
    GROUP BY scheme, raw_code
)
