-- What the archive holds, by topic. Read by sinks/archive.py (`rollcall archive status`).
SELECT toString(topic), count(), sum(bytes), countIf(is_rewritten), min(arrived_at), max(arrived_at)
FROM messages_archived
GROUP BY topic
ORDER BY topic
