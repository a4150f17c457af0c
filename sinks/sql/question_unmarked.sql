-- Sessions without marks: expected registers none of whose pupils has a mark that stands. Read by sinks/questions.py.
SELECT session_date, urn, school_name, session, group_id AS group, opens_at, closes_at, pupils
FROM registers_missing
WHERE session_date BETWEEN {first:Date} AND {last:Date} AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
ORDER BY session_date, school_name, urn, session DESC, group
