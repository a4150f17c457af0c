-- When the first register of each group came, of one school and day, as known at an instant. Read by sinks/expected.py.
-- A register of which every mark was refused has not come. Who took it makes no difference: cover is no other register.
-- Parameters: urn, day, known (microseconds since 1970).
SELECT
    CAST(session, 'String') AS in_session, CAST(period, 'String') AS lesson, CAST(group_id, 'String') AS of_group,
    toUnixTimestamp64Milli(min(ingested_at)) AS came
FROM register_receipt FINAL
WHERE urn = {urn:UInt32} AND session_date = {day:Date} AND source_kind = 'register' AND (accepted + unchanged > 0 OR marks = 0)
  AND toUnixTimestamp64Milli(ingested_at) <= intDiv({known:Int64}, 1000)
GROUP BY session, period, group_id
