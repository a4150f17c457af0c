-- When the registers of a session open and close, school by school, by the timetable in force. Read by sinks/reference.py.
-- Groups that differ are drawn together: the first opening, the last closing. An empty list of URNs is all schools.
SELECT
    t.urn AS urn, toString(t.session) AS session, toString(min(t.opens_at)) AS opens_at, toString(max(t.closes_at)) AS closes_at,
    t.weekdays AS weekdays, t.valid_from AS valid_from, t.valid_to AS valid_to
FROM registers_timetabled AS t
WHERE empty({urns:Array(UInt32)}) OR t.urn IN {urns:Array(UInt32)}
GROUP BY t.urn, t.session, t.weekdays, t.valid_from, t.valid_to
ORDER BY t.urn, t.session, t.valid_from
