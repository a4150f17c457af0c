-- What was refused, by reason; what is open, what is closed, or all of it. Read by sinks/quarantine.py (`rollcall quarantine list`).
SELECT
    toString(e.reason) AS reason, count() AS entries, uniqExact(e.topic_id, e.partition, e.offset) AS messages,
    uniqExactIf(e.urn, e.urn != 0) AS schools, min(e.ingested_at) AS first_seen, max(e.ingested_at) AS last_seen,
    any(k.what) AS what, any(k.when_it_matters) AS when_it_matters, any(k.how_to_resolve) AS how_to_resolve
FROM quarantine_entries AS e
LEFT JOIN (SELECT * FROM quarantine_kind FINAL) AS k ON k.name = e.reason
WHERE ({urn:UInt32} = 0 OR e.urn = {urn:UInt32}) AND e.state IN {states:Array(String)}
GROUP BY reason
ORDER BY entries DESC, reason
