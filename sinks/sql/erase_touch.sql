-- The schools and dates whose counts a pupil is part of, put on the work list of derive, pupil aside. Read by sinks/erasure.py.
INSERT INTO touched (batch, session_date, urn, session, pupil_id)
SELECT DISTINCT {batch:UInt64}, session_date, urn, session, 0 FROM mark_event WHERE pupil_id = {pupil:UInt64}
