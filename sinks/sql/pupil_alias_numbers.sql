-- Pupils whom an alias concerns, with the number of its latest publication: its own, and those whose marks count, or once counted, for
-- it; 0 for those that only others count for, who are derived with them. Read by sinks/derive.py.
SELECT pupil_id, max(number) AS number
FROM
(
    SELECT pupil_id, max(version) AS number FROM pupil_alias GROUP BY pupil_id
    UNION ALL
    SELECT l.pupil_id, max(p.version) FROM pupil_alias AS p INNER JOIN pupil_alias_link AS l ON p.pupil_id = l.to_pupil_id GROUP BY l.pupil_id
    UNION ALL
    SELECT to_pupil_id, 0 FROM pupil_alias_link
)
GROUP BY pupil_id
ORDER BY pupil_id
