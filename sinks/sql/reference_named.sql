-- Which of these references any roster names, a pupil or (ambiguous) several. More pairs than were asked may come back.
-- Read by sinks/reference.py.
SELECT DISTINCT urn, toString(scheme) AS scheme, ref FROM crosswalk
WHERE urn IN {urns:Array(UInt32)} AND scheme IN {schemes:Array(String)} AND ref IN {refs:Array(String)}
