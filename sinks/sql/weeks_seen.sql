-- What school_session says of schools' weeks, as one number each: of their sessions and the versions of these, which grow with every mark
-- of the session that is derived (no two batches of a partition are known from the same millisecond: streams/worker.py). A part of
-- weeks_compared.sql; read by sinks/weeks.py.
-- Parameters: first_week, last_week: Mondays, both inclusive; urns, las as in absence_sessions.sql. Filled in: of_authorities.
SELECT urn, toMonday(session_date) AS week, sum(cityHash64(session_date, session, version)) AS seen, sum(counted) AS marks
FROM
(
    SELECT urn, session_date, session, max(derived_version) AS version, sum(marks) AS counted FROM school_session
    WHERE session_date BETWEEN {first_week:Date} AND {last_week:Date} + 6
      AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
      AND {of_authorities}
    GROUP BY urn, session_date, session
)
GROUP BY urn, week
