-- All numbers of ours that an alias of any version links to a pupil, himself among them. Read by sinks/mark_stories.py.
WITH targets AS (SELECT {pupil:UInt64} AS pupil UNION ALL SELECT to_pupil_id FROM pupil_alias_link WHERE pupil_id = {pupil:UInt64})
SELECT DISTINCT arrayJoin(arrayConcat(
    [{pupil:UInt64}], (SELECT groupArray(pupil) FROM targets),
    (SELECT groupArray(pupil_id) FROM pupil_alias_link WHERE to_pupil_id IN (SELECT pupil FROM targets)))) AS pupil
ORDER BY pupil
