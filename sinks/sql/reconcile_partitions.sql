-- Every partition that the group's ledger or any table has seen. Read by sinks/reconcile.py.
-- Refused reference messages stand in quarantine too, and refused kiosk events: they are the loader's and the kiosk
-- agent's, and no worker's ledger knows them.
SELECT CAST(any(topic), 'String') AS topic, CAST(topic_id, 'String') AS topic_id, partition
FROM
(
    SELECT topic, topic_id, partition FROM ledger WHERE consumer_group = {group:String} GROUP BY ALL
    UNION ALL SELECT topic, topic_id, partition FROM register_receipt GROUP BY ALL
    UNION ALL SELECT topic, topic_id, partition FROM quarantine
        WHERE NOT startsWith(topic, 'reference.') AND topic != 'attendance.kiosk.v1' GROUP BY ALL
    UNION ALL SELECT topic, topic_id, partition FROM mark_event GROUP BY ALL
)
GROUP BY topic_id, partition
ORDER BY topic, topic_id, partition
