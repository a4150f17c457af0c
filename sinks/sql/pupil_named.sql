-- What the crosswalk says of some pupils, or of a reference. Read by sinks/pupil_aliases.py.
SELECT urn, toString(scheme) AS scheme, ref, pupil_id, upn_invalid, upn_shared, ambiguous FROM crosswalk FINAL
WHERE pupil_id IN {pupils:Array(UInt64)} OR (urn = {urn:UInt32} AND scheme = {scheme:String} AND ref = {ref:String})
ORDER BY urn, scheme, ref
