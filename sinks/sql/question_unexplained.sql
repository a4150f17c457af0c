-- N that still stands more school days after its session than the window allows: to be resolved (AE 1.1). Read by sinks/questions.py.
-- School days as in question_amendments.sql, until the day asked about.
SELECT
    n.session_date AS session_date, n.urn AS urn, any(s.school_name) AS school_name, n.session AS session, n.year_group AS year_group,
    any(if(c.known, c.days, arrayCount(x -> toDayOfWeek(n.session_date + x) <= 5, range(1, toUInt32({today:Date} - n.session_date + 1))))) AS school_days,
    sum(n.marks) AS marks
FROM
(
    SELECT session_date, urn, toString(session) AS session, year_group, marks FROM school_session FINAL
    WHERE canonical_code = 'N' AND marks > 0 AND session_date BETWEEN {first:Date} AND {last:Date} AND session_date < {today:Date}
      AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
) AS n
LEFT JOIN
(
    SELECT p.urn AS urn, p.session_date AS session_date, true AS known,
           uniqExactIf(d.session_date, d.session_date > p.session_date AND d.session_date <= {today:Date}) AS days
    FROM (SELECT DISTINCT urn, session_date FROM school_session WHERE canonical_code = 'N' AND session_date BETWEEN {first:Date} AND {last:Date}) AS p
    INNER JOIN (SELECT * FROM open_days WHERE toDayOfWeek(session_date) <= 5) AS d ON d.urn = p.urn
    GROUP BY p.urn, p.session_date
) AS c ON c.urn = n.urn AND c.session_date = n.session_date
ASOF LEFT JOIN schools AS s ON s.urn = n.urn AND s.valid_from <= n.session_date
GROUP BY session_date, urn, session, year_group
HAVING school_days > coalesce({window:Nullable(UInt32)}, 5)
ORDER BY session_date, school_name, urn, session, year_group
