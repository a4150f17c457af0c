-- What is refused for now, by reason. Read by sinks/quarantine.py (`rollcall quarantine list`).
SELECT
    CAST(reason, 'String') AS reason, count() AS entries, uniqExact(topic_id, partition, offset) AS messages,
    uniqExactIf(urn, urn != 0) AS schools, min(ingested_at) AS first_seen, max(ingested_at) AS last_seen,
    any(what) AS what, any(when_it_matters) AS when_it_matters, any(how_to_resolve) AS how_to_resolve
FROM quarantine_open
WHERE {urn:UInt32} = 0 OR urn = {urn:UInt32}
GROUP BY reason
ORDER BY entries DESC, reason
