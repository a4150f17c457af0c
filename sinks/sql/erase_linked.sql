-- Numbers of the same child by merges in force, from and to a pupil_id, and whether a split concerns it. Read by sinks/erasure.py.
SELECT groupUniqArrayIf(if(pupil_id = {pupil:UInt64}, to_pupil_id, pupil_id), kind = 'merge'), countIf(kind = 'split')
FROM pupil_alias_in_force
WHERE pupil_id = {pupil:UInt64} OR to_pupil_id = {pupil:UInt64}
