-- What stands of one session date, by school, session and code; a code that no map knows as '?' and what was received.
-- Read by rollcall/cli/scenarios/strike_judge.py.
SELECT urn, toString(session) AS session, if(canonical_code = '', concat('?', raw_code), canonical_code) AS code, count() AS marks
FROM mark_current FINAL
WHERE session_date = {day:Date} AND is_mark
GROUP BY urn, session, code
