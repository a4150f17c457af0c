-- The code scheme of the latest mark that a source has given of a school. Read by sinks/school_report.py. No row: it has given none.
SELECT code_scheme FROM marks_history
WHERE urn = {urn:UInt32} AND source = {source:String} AND session_date BETWEEN {first:Date} AND {last:Date}
ORDER BY ingested_at DESC
LIMIT 1
