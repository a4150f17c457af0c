-- What is odd or refused on one day, by kind, over all schools or some (urns). Read by sinks/reports.py (`rollcall report day`).
SELECT CAST(finding, 'String') AS finding, accepted, sum(found) AS found
FROM data_quality
WHERE session_date = {day:Date} AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
GROUP BY finding, accepted
ORDER BY accepted DESC, found DESC, finding
