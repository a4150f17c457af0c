-- The schools that a scoped user may see, with what they are today. Read by rollcall/stack/clickhouse/scoped.py.
SELECT urn, school_name, phase, la_code, la_name, trust_id, trust_name, status
FROM schools
WHERE urn IN {schools:Array(UInt32)} AND valid_from <= toDate(now('Europe/London'))
ORDER BY urn, valid_from DESC
LIMIT 1 BY urn
