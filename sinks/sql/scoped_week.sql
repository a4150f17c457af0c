-- A school's week that begins on a day: sessions pooled, then divided (rule 19). Read by rollcall/stack/clickhouse/scoped.py.
SELECT
    d.urn AS urn, any(d.school_name) AS school_name, d.in_headline AS in_headline, uniqExact(d.session_date) AS days,
    sum(d.possible) AS possible, sum(d.attendance) AS attendance, sum(d.authorised) AS authorised, sum(d.unauthorised) AS unauthorised,
    sum(d.late) AS late, sum(d.unknown) AS unknown,
    if(sum(d.possible) = 0, NULL, 100 * sum(d.attendance) / sum(d.possible)) AS attendance_rate,
    if(sum(d.possible) = 0, NULL, 100 * (sum(d.authorised) + sum(d.unauthorised)) / sum(d.possible)) AS absence_rate
FROM
(
    SELECT * FROM school_days
    WHERE urn IN {schools:Array(UInt32)} AND session_date BETWEEN {monday:Date} AND {monday:Date} + 6
) AS d
GROUP BY urn, in_headline
ORDER BY urn, in_headline DESC
