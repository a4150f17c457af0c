-- Pupil-sessions of some dates that have an assertion, in 64 bits each, kiosks aside (rule 17): any further mark of theirs has to be
-- derived. As streams/kernels.py: pupil_session_keys. Read by sinks/writer.py.
SELECT
    bitXor(
        pupil_id,
        bitOr(
            bitOr(bitShiftLeft(toUInt64(urn), 32), bitShiftLeft(toUInt64(toUInt16(session_date)), 2)),
            toUInt64(toUInt8(session))
        )
    ) AS key
FROM mark_assertion
WHERE session_date IN {days:Array(Date)} AND source_kind != 'kiosk'
