-- Puts those of one session date on the work list of derive. Read by sinks/derive.py. keys: rederive_lessons_keys.sql.
INSERT INTO touched (batch, session_date, urn, session, pupil_id)
SELECT {batch:UInt64}, session_date, urn, session, pupil_id FROM ({keys})
