-- What sources call a pupil, of some schools or of all (no URN given). Read by the worker (streams/crosswalk.py).
SELECT urn, CAST(scheme, 'String') AS scheme, ref, pupil_id, upn_invalid, upn_shared, ambiguous
FROM crosswalk FINAL
WHERE empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)}
