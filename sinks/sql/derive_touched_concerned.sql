-- How many keys of some batches are those of a pupil whom an alias of any version names. Read by sinks/derive.py.
SELECT count() FROM touched
WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
  AND pupil_id IN (SELECT arrayJoin([pupil_id, to_pupil_id]) FROM pupil_alias)
