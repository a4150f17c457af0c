-- Writes what aliases that have come change of who is one pupil. Read by sinks/reference.py, which fills in merged: merged_pupils.sql.
INSERT INTO merged_pupil (pupil_id, to_pupil_id, version)
WITH merged AS ({merged})
SELECT pupil_id, to_pupil_id, (SELECT max(version) FROM merged_pupil) + 1
FROM
(
    SELECT pupil_id, to_pupil_id FROM merged
    UNION ALL
    SELECT pupil_id, 0 FROM merged_pupil FINAL WHERE pupil_id NOT IN (SELECT pupil_id FROM merged)
)
WHERE (pupil_id, to_pupil_id) NOT IN (SELECT pupil_id, to_pupil_id FROM merged_pupil FINAL)
