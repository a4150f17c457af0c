-- Partitions of a month of tables that have one: of sessions, of sign-ins, of weeks. Read by sinks/retention.py.
SELECT table, partition, sum(rows)
FROM system.parts
WHERE database = currentDatabase() AND active AND toUInt32OrZero(partition) BETWEEN 1 AND {last_month:UInt32} AND table IN
    (SELECT name FROM system.tables WHERE database = currentDatabase() AND partition_key IN
        ('toYYYYMM(session_date)', 'toYYYYMM(event_date)', 'toYYYYMM(week)'))
GROUP BY table, partition
ORDER BY table, partition
