-- Everything that was ever asserted about a pupil, to find what receipts say of it. Read by streams/erasing.py.
SELECT DISTINCT
    urn, toInt32(session_date) AS day, toUInt8(session) AS session, CAST(source, 'String') AS source,
    CAST(period, 'String') AS period, record_id
FROM mark_event WHERE pupil_id = {pupil:UInt64}
