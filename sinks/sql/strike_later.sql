-- Rows of the history about a session date that were taken in after an instant, at most: a mark delivered again counts too. 0: what
-- stands is what was known then. Read by sinks/strike.py.
SELECT count() FROM mark_event
WHERE session_date = {day:Date} AND period = '' AND ingested_at > {at:DateTime64(3, 'UTC')}
