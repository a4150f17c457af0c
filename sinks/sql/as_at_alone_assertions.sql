-- {assertions} of derive_existing.sql for the pupil-sessions of a slice that as_at_several.sql left out. Read by sinks/as_at_marks.py.
(
    SELECT * FROM {history}
    WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
      AND period = '' AND NOT superseded AND source_kind != 'kiosk' AND {key} NOT IN as_at_several
)
