-- One school on one day: whether it is known, open and why not, and its week. Read by sinks/expected.py (`rollcall expected`).
-- Parameters: urn, day. One row.
SELECT
    (SELECT count() FROM schools WHERE urn = {urn:UInt32}) > 0 AS is_known,
    (SELECT any(school_name) FROM schools WHERE urn = {urn:UInt32} AND {day:Date} BETWEEN valid_from AND valid_to) AS school_name,
    (SELECT count() FROM schools WHERE urn = {urn:UInt32} AND {day:Date} BETWEEN valid_from AND valid_to) > 0 AS exists_that_day,
    (SELECT count() FROM calendar_term WHERE urn = {urn:UInt32}) > 0 AS has_calendar,
    (SELECT count() FROM open_days WHERE urn = {urn:UInt32} AND session_date = {day:Date}) > 0 AS is_open_day,
    (SELECT groupUniqArray(toString(reason)) FROM school_closures WHERE urn = {urn:UInt32} AND {day:Date} BETWEEN first_day AND last_day) AS closures,
    (SELECT any(toString(week)) FROM school_weeks WHERE urn = {urn:UInt32} AND week_commencing = toMonday({day:Date})) AS week
