-- Pupils that are in an alias, of either end and any version: no mark of theirs counts as it is. Read by the worker (streams/world.py).
SELECT DISTINCT arrayJoin([pupil_id, to_pupil_id]) AS pupil_id FROM pupil_alias_link
