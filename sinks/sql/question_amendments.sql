-- Amendments made more school days after their session than the window allows (rule 26). Read by sinks/questions.py.
-- The window asked with, else that of the school on the session date, else that of every school, else 5.
-- A school day is one of Monday to Friday within the school's terms and outside its closures; without a calendar, Monday to Friday.
SELECT
    a.session_date AS session_date, a.urn AS urn, s.school_name AS school_name, a.session AS session, a.group AS group,
    a.amended_from AS was, a.code AS code, a.amend_reason AS reason, a.amend_evidence AS evidence, a.amended_on AS amended_on,
    if(c.known, c.days, arrayCount(n -> toDayOfWeek(a.session_date + n) <= 5, range(1, toUInt32(a.amended_on - a.session_date + 1)))) AS school_days,
    coalesce(
        {window:Nullable(UInt32)},
        multiIf(w.told AND a.session_date <= w.valid_to, w.school_days, e.told AND a.session_date <= e.valid_to, e.school_days, 5)
    ) AS window,
    a.marks AS marks
FROM
(
    SELECT
        toUInt32(0) AS every_school, session_date, urn, toString(session) AS session, group_id AS group, amended_from, canonical_code AS code, amend_reason,
        amend_evidence, toDate(amended_at, 'Europe/London') AS amended_on, count() AS marks
    FROM mark_event FINAL
    WHERE amended_from != '' AND session_date BETWEEN {first:Date} AND {last:Date}
      AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)}) AND toDate(amended_at, 'Europe/London') > session_date
    GROUP BY ALL
) AS a
LEFT JOIN
(
    SELECT p.urn AS urn, p.session_date AS session_date, p.amended_on AS amended_on, true AS known,
           uniqExactIf(d.session_date, d.session_date > p.session_date AND d.session_date <= p.amended_on) AS days
    FROM
    (
        SELECT DISTINCT urn, session_date, toDate(amended_at, 'Europe/London') AS amended_on FROM mark_event
        WHERE amended_from != '' AND session_date BETWEEN {first:Date} AND {last:Date}
    ) AS p
    INNER JOIN (SELECT * FROM open_days WHERE toDayOfWeek(session_date) <= 5) AS d ON d.urn = p.urn
    GROUP BY p.urn, p.session_date, p.amended_on
) AS c ON c.urn = a.urn AND c.session_date = a.session_date AND c.amended_on = a.amended_on
ASOF LEFT JOIN schools AS s ON s.urn = a.urn AND s.valid_from <= a.session_date
ASOF LEFT JOIN (SELECT urn, valid_from, valid_to, school_days, true AS told FROM amendment_windows WHERE urn != 0) AS w
    ON w.urn = a.urn AND w.valid_from <= a.session_date
ASOF LEFT JOIN (SELECT urn, valid_from, valid_to, school_days, true AS told FROM amendment_windows WHERE urn = 0) AS e
    ON e.urn = a.every_school AND e.valid_from <= a.session_date
WHERE school_days > window
ORDER BY session_date, school_name, urn, session, group, amended_on
