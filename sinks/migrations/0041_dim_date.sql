-- A date as it is for a school: for analysts, to join with any view that has urn and session_date. Not read by Rollcall itself.
-- School weeks begin on Monday, and week 1 is the one that holds 1 September, whatever the school's own cycle calls it (school_weeks).

CREATE VIEW dim_date
(
    session_date    Date COMMENT 'Every day of the academic years of which the school has a calendar',
    urn             UInt32 COMMENT 'School',
    academic_year   LowCardinality(String) COMMENT '2025/26: 1 September to 31 August',
    term            LowCardinality(String) COMMENT 'Name of the term by the school''s calendar; empty outside its terms',
    school_week     UInt8 COMMENT 'Monday to Sunday; 1 holds 1 September',
    week_commencing Date COMMENT 'Its Monday',
    weekday         UInt8 COMMENT '1 is Monday',
    day_kind        LowCardinality(String) COMMENT 'school_day, weekend, holiday (outside terms), or why it is closed: half_term, inset, bank_holiday, planned, unplanned',
    is_school_day   Bool COMMENT 'Monday to Friday, within a term, not closed'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    y.session_date AS session_date, y.urn AS urn, y.academic_year AS academic_year, if(y.session_date <= t.last_day, t.name, '') AS term,
    toUInt8(intDiv(y.session_date - toMonday(y.begins), 7) + 1) AS school_week, toMonday(y.session_date) AS week_commencing,
    toDayOfWeek(y.session_date) AS weekday,
    multiIf(weekday > 5, 'weekend', y.session_date > t.last_day, 'holiday', c.reason != '', c.reason, 'school_day') AS day_kind,
    day_kind = 'school_day' AS is_school_day
FROM
(
    SELECT
        a.urn AS urn, a.academic_year AS academic_year, a.begins AS begins,
        arrayJoin(arrayMap(n -> a.begins + n, range(toUInt32(addYears(a.begins, 1) - a.begins)))) AS session_date
    FROM (SELECT DISTINCT urn, academic_year, toDate(concat(left(academic_year, 4), '-09-01')) AS begins FROM calendar_term) AS a
) AS y
ASOF LEFT JOIN
(
    SELECT DISTINCT urn, toString(name) AS name, first_day, last_day FROM calendar_term
    WHERE (urn, academic_year, taken_at) IN (SELECT urn, academic_year, max(taken_at) FROM calendar_term GROUP BY ALL)
) AS t ON t.urn = y.urn AND t.first_day <= y.session_date
LEFT JOIN
(
    SELECT x.urn AS urn, x.day AS day, min(x.reason) AS reason
    FROM
    (
        SELECT urn, toString(reason) AS reason, arrayJoin(arrayMap(n -> first_day + n, range(toUInt32(last_day - first_day + 1)))) AS day
        FROM school_closures WHERE last_day >= first_day
    ) AS x
    GROUP BY x.urn, x.day
) AS c ON c.urn = y.urn AND c.day = y.session_date
COMMENT 'A date as it is for a school, by the calendar in force: academic year, term, school week and kind of day';
