-- What the archive holds, and what it and the history take on disk. Read by benchmarks/archive.py.
SELECT
    (SELECT count() FROM message_archive),
    (SELECT sum(length(value)) FROM message_archive),
    (SELECT sum(bytes_on_disk) FROM system.parts WHERE database = currentDatabase() AND table = 'message_archive' AND active),
    (SELECT sum(bytes_on_disk) FROM system.parts WHERE database = currentDatabase() AND table = 'mark_event' AND active)
