-- Pupil-sessions whose current mark does not follow the days on which their school was open, as they are known now: marks that count
-- and must not, and those of schools that have or had such days where nothing counts although something is said (in a lesson of a window, too: rule 7). The latter may be
-- withdrawn marks: they derive to what they were. Read by sinks/derive.py.
SELECT c.session_date AS session_date, c.urn AS urn, c.session AS session, c.pupil_id AS pupil_id
FROM
(
    SELECT session_date, urn, session, pupil_id, is_mark FROM mark_current FINAL
    WHERE ({day:Nullable(Date)} IS NULL OR session_date = {day:Nullable(Date)})
      AND urn IN
      (
          SELECT urn FROM school
          WHERE (opened_on > toDate(0) OR closed_on < toDate('2149-06-06'))
            AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
      )
) AS c
INNER JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS l ON l.urn = c.urn
WHERE c.is_mark != (c.session_date BETWEEN l.opened_on AND l.closed_on)
  AND (c.is_mark OR (c.session_date, c.urn, c.session, c.pupil_id) IN
  (
      SELECT session_date, urn, session, pupil_id FROM mark_assertion
      WHERE NOT deleted AND source_kind != 'kiosk' AND raw_code NOT IN ('', '-')
        AND ({day:Nullable(Date)} IS NULL OR session_date = {day:Nullable(Date)})
        AND urn IN (SELECT urn FROM school WHERE opened_on > toDate(0) OR closed_on < toDate('2149-06-06'))
      UNION ALL
      SELECT session_date, urn, session, pupil_id FROM period_current
      WHERE (urn, toString(session), toString(period)) IN
      (
          SELECT urn, lesson.1, lesson.2
          FROM (SELECT urn, arrayJoin(arrayConcat(arrayMap(p -> ('AM', p), am), arrayMap(p -> ('PM', p), pm))) AS lesson FROM lesson_rule)
      )
        AND NOT deleted AND source_kind != 'kiosk' AND raw_code NOT IN ('', '-')
        AND ({day:Nullable(Date)} IS NULL OR session_date = {day:Nullable(Date)})
  ))
