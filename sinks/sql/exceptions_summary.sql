-- Findings about accepted marks of some session dates, by exception. Read by sinks/exceptions.py (`rollcall quarantine exceptions`).
SELECT
    toString(finding) AS exception, sum(found) AS found, uniqExact(urn) AS schools, min(session_date) AS first_day,
    max(session_date) AS last_day, any(what) AS what, any(when_it_matters) AS when_it_matters, any(how_to_resolve) AS how_to_resolve
FROM data_quality
WHERE accepted AND session_date BETWEEN {first:Date} AND {last:Date} AND ({urn:UInt32} = 0 OR urn = {urn:UInt32})
GROUP BY exception
ORDER BY found DESC, exception
