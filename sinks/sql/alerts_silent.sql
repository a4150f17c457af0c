-- Sources of schools that expect registers on a day, and when each was last heard that day (ms since 1970, 0: not at all).
-- A source counts if it sent marks in the fortnight before. Kiosks have quiet days; a replay is not heard from the source.
-- Read by sinks/alerts.py.
-- Parameters: day; time, as alerts_overdue.sql; from, until: the fortnight before the day; end: of what is looked
-- at; ms since 1970.
SELECT
    s.urn AS urn, s.source AS source, e.session AS session, e.opens_at AS opens_at, e.closes_at AS closes_at, s.last_heard AS last_heard
FROM
(
    SELECT
        c.urn AS urn, toString(c.source) AS source,
        maxIf(toUnixTimestamp64Milli(c.produced_at), c.produced_at >= fromUnixTimestamp64Milli({until:Int64}, 'UTC') AND c.produced_at <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')) AS last_heard
    FROM register_receipt AS c
    WHERE c.produced_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND c.source_kind != 'kiosk'
      AND (c.topic_id, c.partition, c.offset) NOT IN
      (
          SELECT replayed_topic_id, replayed_partition, replayed_offset FROM quarantine_trail WHERE what = 'judged'
      )
    GROUP BY c.urn, c.source
    HAVING sumIf(c.marks, c.produced_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')) > 0
) AS s
INNER JOIN
(
    SELECT x.urn AS urn, toString(x.session) AS session, toString(min(x.opens_at)) AS opens_at, toString(max(x.closes_at)) AS closes_at
    FROM registers_expected AS x
    WHERE x.session_date = {day:Date}
    GROUP BY x.urn, x.session
    HAVING max(x.closes_at) <= {time:String}
) AS e ON e.urn = s.urn
ORDER BY s.urn, s.source, e.session
