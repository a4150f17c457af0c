-- Pupils who are one pupil: all marks of a merged one count for the other, who is paired with itself. By the aliases in force, and no chains,
-- as pupil_alias_in_force has it (0019). Read by the loader (sinks/reference.py, sinks/sql/merged_pupils_make.sql) and as at an instant
-- (sinks/sql/as_at_tables.sql).
SELECT pair.1 AS pupil_id, pair.2 AS to_pupil_id
FROM
(
    WITH latest AS
    (
        SELECT * FROM pupil_alias FINAL
        WHERE to_pupil_id != 0 AND (pupil_id, version) IN (SELECT pupil_id, max(version) FROM pupil_alias GROUP BY pupil_id)
    )
    SELECT DISTINCT arrayJoin([(pupil_id, counts_for), (counts_for, counts_for)]) AS pair
    FROM
    (
        SELECT pupil_id, max(to_pupil_id) AS counts_for
        FROM latest
        WHERE urn = 0 AND source = '' AND valid_from <= '1970-01-01' AND valid_to >= '2149-06-06'
            AND to_pupil_id NOT IN (SELECT pupil_id FROM latest)
        GROUP BY pupil_id
    )
)
