-- The keys of rederive_stale.sql, put on the work list of derive. Read by sinks/derive.py.
INSERT INTO touched (batch, session_date, urn, session, pupil_id)
SELECT {batch:UInt64}, session_date, urn, session, pupil_id FROM {stale}
