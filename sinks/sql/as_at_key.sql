-- {key}: a pupil and session in 64 bits, as in known_pupil_sessions.sql. Read by sinks/as_at_marks.py.
bitXor(pupil_id, bitOr(bitOr(bitShiftLeft(toUInt64(urn), 32), bitShiftLeft(toUInt64(toUInt16(session_date)), 2)), toUInt64(toUInt8(session))))
