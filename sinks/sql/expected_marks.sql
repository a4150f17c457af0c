-- Of one school, day and instant: for each group, slot '' its members who should have marks; and for each session or lesson how
-- many of them have one that came by then, whichever way, and when the first did. Read by sinks/expected.py.
-- A mark that was withdrawn or deleted since has come all the same.
-- Parameters: urn, day, known (microseconds since 1970).
WITH
    members AS
    (
        SELECT m.group_id AS group_id, m.pupil_id AS pupil_id
        FROM (SELECT * FROM group_members WHERE urn = {urn:UInt32} AND {day:Date} BETWEEN first_day AND last_day) AS m
        INNER JOIN (SELECT * FROM roll WHERE urn = {urn:UInt32} AND {day:Date} BETWEEN first_day AND last_day AND NOT never_missing) AS r
            ON r.pupil_id = m.pupil_id
    ),
    came AS
    (
        SELECT pupil_id, toString(session) AS in_session, toString(period) AS lesson, toUnixTimestamp64Milli(min(ingested_at)) AS first_came
        FROM mark_event FINAL
        WHERE session_date = {day:Date} AND urn = {urn:UInt32} AND NOT deleted AND canonical_code != '-'
          AND toUnixTimestamp64Milli(ingested_at) <= intDiv({known:Int64}, 1000)
        GROUP BY pupil_id, session, period
    )
SELECT toString(members.group_id) AS of_group, came.in_session AS slot, came.lesson AS lesson,
       uniqExact(members.pupil_id) AS pupils, min(came.first_came) AS first_came
FROM members INNER JOIN came ON came.pupil_id = members.pupil_id
GROUP BY of_group, slot, lesson
UNION ALL
SELECT toString(group_id), '', '', uniqExact(pupil_id), 0
FROM members
GROUP BY group_id
