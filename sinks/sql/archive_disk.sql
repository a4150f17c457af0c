-- Bytes on disk of the archive. Read by sinks/archive.py.
SELECT toUInt64(sum(bytes_on_disk)) FROM system.parts
WHERE database = currentDatabase() AND table = 'message_archive' AND active
