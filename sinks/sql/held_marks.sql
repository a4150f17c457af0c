-- What stands of one source at one school: the latest mark of each record and place that is not deleted, lessons too.
-- Of two with one version the one later in Kafka stands, as in mark_assertion. Read by sinks/held.py (`rollcall reconcile --source`).
SELECT
    record_id, pupil_id, session_date, CAST(session, 'String') AS session, CAST(period, 'String') AS period,
    argMax(CAST(raw_code, 'String'), (version, offset, item)) AS code,
    anyIf(CAST(pupil_scheme, 'String'), NOT deleted) AS scheme, anyIf(pupil_ref, NOT deleted) AS ref
FROM mark_event
WHERE session_date BETWEEN {first:Date} AND {last:Date} AND urn = {urn:UInt32} AND source = {source:String}
  AND source_kind = 'mis' AND NOT superseded
GROUP BY session_date, urn, session, period, pupil_id, record_id
HAVING NOT argMax(deleted, (version, offset, item))
