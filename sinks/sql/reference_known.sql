-- Pupils that the crosswalk knows at some schools. Read by sinks.reference.apply: a pair keeps its pupil_id.
SELECT urn, CAST(scheme, 'String') AS scheme, ref, pupil_id
FROM crosswalk FINAL
WHERE urn IN {urns:Array(UInt32)}
