-- What is odd or refused of a school's day, by kind, with what to do about it. Read by sinks/school_report.py.
SELECT CAST(finding, 'String') AS finding, accepted, sum(found) AS found, any(what) AS what, any(how_to_resolve) AS how_to_resolve
FROM data_quality
WHERE session_date = {day:Date} AND urn = {urn:UInt32}
GROUP BY finding, accepted
ORDER BY accepted DESC, found DESC, finding
