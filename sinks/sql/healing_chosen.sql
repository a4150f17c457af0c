-- Open entries that may be decided otherwise now: of the school's reference data the kind that the reason is about was applied after
-- the worker last judged them. Message by message, in the order of their first delivery. Read by streams/healing.py.
-- first, last: of the academic years that are loaded, and years_at when (microseconds since 1970). schema_ids: known by now.
-- lost_before (ms since 1970): a replay that was sent later is still on its way.
SELECT toString(topic) AS topic, toString(topic_id) AS topic_id, partition, offset, arraySort(groupArray(item)) AS items
FROM
(
    SELECT
        e.topic AS topic, e.topic_id AS topic_id, e.partition AS partition, e.offset AS offset, e.item AS item, e.ingested_at AS ingested_at,
        e.reason = 'unknown_schema' AND e.schema_id IN {schema_ids:Array(UInt32)}
        OR multiIf(
            e.reason = 'unknown_school', v.school,
            e.reason IN ('unknown_pupil', 'ambiguous_pupil', 'unknown_record'), greatest(v.roster, v.school),
            e.reason = 'no_expected_register', v.register,
            e.reason = 'date_out_of_range' AND e.session_date BETWEEN {first:Date} AND {last:Date}, {years_at:Int64},
            toInt64(0)
        ) > toUnixTimestamp64Micro(e.reference_at) AS may_heal
    FROM quarantine_entries AS e
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
)
WHERE may_heal
GROUP BY topic, topic_id, partition, offset
ORDER BY topic, min(ingested_at), topic_id, partition, offset
