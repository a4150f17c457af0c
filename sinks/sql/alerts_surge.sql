-- What was refused in a span of time, by school and reason, beside all the marks that came from the school in it.
-- Read by sinks/alerts.py. A message refused whole is one; what is refused again on replay is no news. Parameters: from, until (exclusive), ms since 1970;
-- at_least.
SELECT q.urn AS urn, q.reason AS reason, q.refused AS refused, r.marks AS marks
FROM
(
    SELECT e.urn AS urn, toString(e.reason) AS reason, count() AS refused
    FROM quarantine AS e FINAL
    WHERE e.ingested_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND e.ingested_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
      AND (e.topic_id, e.partition, e.offset, e.item) NOT IN
      (
          SELECT replayed_topic_id, replayed_partition, replayed_offset, replayed_item FROM quarantine_trail WHERE what = 'judged'
      )
    GROUP BY e.urn, e.reason
    HAVING count() >= {at_least:UInt32}
) AS q
LEFT JOIN
(
    SELECT c.urn AS urn, sum(c.marks) AS marks
    FROM register_receipt AS c FINAL
    WHERE c.ingested_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND c.ingested_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
      AND c.produced_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') - INTERVAL 31 DAY
    GROUP BY c.urn
) AS r ON r.urn = q.urn
ORDER BY q.urn, q.reason
