-- Every version of the aliases of pupils. Read by sinks/pupil_aliases.py.
SELECT
    a.pupil_id AS pupil_id, a.version AS version, a.urn AS urn, toString(a.source) AS source, a.valid_from AS valid_from, a.valid_to AS valid_to,
    a.to_pupil_id AS to_pupil_id, toString(a.kind) AS kind, toString(a.author) AS author, a.reason AS reason, a.published_at AS published_at,
    (a.pupil_id, a.version, a.to_pupil_id) IN (SELECT pupil_id, version, to_pupil_id FROM pupil_alias_in_force) AS in_force
FROM pupil_alias AS a FINAL
WHERE empty({pupils:Array(UInt64)}) OR a.pupil_id IN {pupils:Array(UInt64)} OR a.to_pupil_id IN {pupils:Array(UInt64)}
ORDER BY version, pupil_id, entry
