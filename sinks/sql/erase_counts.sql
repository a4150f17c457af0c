-- Counts that a pupil was part of go before they are made again: a count made of fewer marks has seen less, and would lose
-- against the old one. Read by sinks/erasure.py.
ALTER TABLE school_session DELETE
WHERE (session_date, urn) IN (SELECT session_date, urn FROM touched WHERE batch = {batch:UInt64})
