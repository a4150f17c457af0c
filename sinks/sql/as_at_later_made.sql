-- What a past instant that is made out of what stands now needs besides: the pupil-sessions of which something came later, what was
-- delivered of them by then, and their marks and counts as they were. Read by sinks/as_at_marks.py.
CREATE TABLE as_at_later (key UInt64, session_date Date, urn UInt32, session Enum8('AM' = 1, 'PM' = 2), sure Bool) ENGINE = Memory;

CREATE TABLE mark_event_later AS {now}.mark_event ENGINE = Memory;

CREATE TABLE mark_current_then AS {now}.mark_current;

CREATE TABLE school_session_then AS {now}.school_session;
