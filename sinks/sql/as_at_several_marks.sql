-- What was delivered of the pupil-sessions of as_at_several. Read by sinks/as_at_marks.py.
CREATE VIEW mark_event_several AS SELECT * FROM {history} WHERE {key} IN as_at_several
