-- Open entries that may be decided otherwise now: of the school's reference data the kind that the reason is about was applied after
-- the worker last judged them. Message by message, in the order of their first delivery, but deletions of records that nobody had seen last:
-- what they delete may be among the others. Read by streams/healing.py.
-- What stands in the history too is left out; it is looked up for what would be sent alone, for this is asked every minute.
-- first, last: of the academic years that are loaded, and years_at when (microseconds since 1970). schema_ids: known by now.
-- lost_before (ms since 1970): a replay that was sent later is still on its way.
WITH healable AS
(
    SELECT
        e.topic AS topic, e.topic_id AS topic_id, e.partition AS partition, e.offset AS offset, e.item AS item,
        e.ingested_at AS ingested_at, e.session_date AS session_date, e.urn AS urn, e.reason = 'unknown_record' AS deletes
    FROM quarantine_stories AS e
    LEFT JOIN
    (
        SELECT
            toUInt32OrZero(key) AS urn,
            maxIf(toUnixTimestamp64Micro(applied_at), kind = 'school') AS school,
            maxIf(toUnixTimestamp64Micro(applied_at), kind = 'roster') AS roster,
            maxIf(toUnixTimestamp64Micro(applied_at), kind = 'register') AS register
        FROM reference_version
        WHERE kind != 'code-map'
        GROUP BY key
    ) AS v ON v.urn = e.urn
    WHERE e.state = 'open' AND toString(e.topic) IN {topics:Array(String)} AND toUnixTimestamp64Milli(e.sent_at) <= {lost_before:Int64}
      AND (
          e.reason = 'unknown_schema' AND e.schema_id IN {schema_ids:Array(UInt32)}
          OR multiIf(
              e.reason = 'unknown_school', v.school,
              e.reason IN ('unknown_pupil', 'ambiguous_pupil', 'unknown_record'), greatest(v.roster, v.school),
              e.reason = 'no_expected_register', v.register,
              e.reason = 'date_out_of_range' AND e.session_date BETWEEN {first:Date} AND {last:Date}, {years_at:Int64},
              toInt64(0)
          ) > toUnixTimestamp64Micro(e.reference_at)
      )
)
SELECT toString(h.topic) AS topic, toString(h.topic_id) AS topic_id, h.partition, h.offset, arraySort(groupArray(h.item)) AS items
FROM healable AS h
WHERE (h.topic_id, h.partition, h.offset, toInt64(h.item)) NOT IN
(
    SELECT topic_id, partition, offset, toInt64(item) FROM mark_event WHERE (session_date, urn) IN (SELECT session_date, urn FROM healable)
)
GROUP BY h.topic, h.topic_id, h.partition, h.offset
ORDER BY h.topic, min(h.deletes), min(h.ingested_at), h.topic_id, h.partition, h.offset
