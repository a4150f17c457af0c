-- What sources call a pupil, at which schools: as the crosswalk has it, and as deliveries had it. Read by sinks/erasure.py.
SELECT DISTINCT urn, CAST(scheme, 'String') AS scheme, ref
FROM
(
    SELECT urn, scheme, ref FROM crosswalk WHERE pupil_id = {pupil:UInt64}
    UNION ALL
    SELECT urn, pupil_scheme AS scheme, pupil_ref AS ref FROM mark_event WHERE pupil_id = {pupil:UInt64}
)
ORDER BY urn, scheme, ref
