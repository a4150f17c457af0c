-- The number of the latest publication outlives the aliases of a pupil who is erased: numbers are given once. Read by sinks/erasure.py.
INSERT INTO pupil_alias (pupil_id, version, entry, to_pupil_id, kind, published_at)
SELECT 0, max(version), 0, 0, 'undo', max(published_at) FROM pupil_alias
WHERE pupil_id = {pupil:UInt64} OR to_pupil_id = {pupil:UInt64}
HAVING count() > 0
