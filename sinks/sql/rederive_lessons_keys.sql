-- Pupil-sessions with lessons that were derived before a rule for lessons changed, and all of the schools concerned of which anything
-- came while workers may not have heard of it: within a minute of when it was applied, or in the hour before (a batch may have waited for
-- ClickHouse). `changes`: school, first and last session date, number, seconds since 1970. Read by sinks/derive.py.
SELECT DISTINCT session_date, urn, session, pupil_id
FROM
(
    SELECT session_date, urn, session, pupil_id, true AS of_lesson, ingested_at FROM period_current
    WHERE source_kind != 'kiosk' AND urn IN {urns:Array(UInt32)} AND ({day:Nullable(Date)} IS NULL OR session_date = {day:Nullable(Date)})
    UNION ALL
    SELECT session_date, urn, session, pupil_id, false, ingested_at FROM mark_assertion
    WHERE source_kind != 'kiosk' AND urn IN {urns:Array(UInt32)} AND ({day:Nullable(Date)} IS NULL OR session_date = {day:Nullable(Date)})
      AND ingested_at > fromUnixTimestamp({earliest:UInt64}) - INTERVAL 1 HOUR
) AS k
LEFT JOIN
(
    SELECT session_date, urn, session, pupil_id, toUInt64(bitShiftRight(derived_version, 64)) AS seen FROM mark_current FINAL
    WHERE urn IN {urns:Array(UInt32)} AND ({day:Nullable(Date)} IS NULL OR session_date = {day:Nullable(Date)})
) AS c USING (session_date, urn, session, pupil_id)
WHERE arrayExists(
    change -> change.1 = urn AND session_date >= change.2 AND session_date <= change.3
        AND ((of_lesson AND c.seen < change.4)
            OR (toInt64(toUnixTimestamp(k.ingested_at)) - toInt64(change.5) BETWEEN -3600 AND 60)),
    {changes:Array(Tuple(UInt32, Date, Date, UInt64, UInt64))})
