-- Registers of a day that should be there by now and are not: past their closing, and nobody of the group has a mark that
-- stands. Read by sinks/alerts.py. Parameters: day; time, HH:MM in London.
SELECT m.urn, toString(m.session), toString(m.group_id), toString(m.opens_at), toString(m.closes_at), m.pupils
FROM registers_missing AS m
WHERE m.session_date = {day:Date} AND m.closes_at <= {time:String}
ORDER BY m.urn, m.session, m.group_id
