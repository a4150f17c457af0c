-- What was delivered by then of the pupil-sessions of a slice of which something came later: as the view mark_event, of the columns that
-- derive reads. Rows are left out before FINAL merges them, which it may, for rows that it merges have one key. Read by sinks/as_at_marks.py.
INSERT INTO mark_event_later
    (session_date, urn, session, period, pupil_id, source, source_kind, record_id, code_scheme, raw_code, minutes_late, deleted, superseded,
     asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id, offset, item)
SELECT
    session_date, urn, session, period, pupil_id, source, source_kind, record_id, code_scheme, raw_code, minutes_late, deleted, superseded,
    asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id, offset, item
FROM {now}.mark_event FINAL
PREWHERE {key} IN (SELECT key FROM as_at_later)
WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32} AND {schools}
  AND ingested_at <= {at}
