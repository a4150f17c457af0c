-- The first mark of a pupil and session counts as it is: it goes into mark_current with the history, and only what comes
-- after it is derived by the rule. Written by the worker (streams/pupil_sessions.py), which knows what was said before.
--
-- derived_version = map version << 64 | derived by the rule << 63 | sum over assertions of their witness. A row of the view
-- has the middle bit clear, so that whatever the rule derived for its pupil and session stands before it.

ALTER TABLE mark_event
    ADD COLUMN IF NOT EXISTS alone Bool COMMENT 'Nothing else was said about this pupil and session when it came' AFTER superseded;

ALTER TABLE touched
    ADD COLUMN IF NOT EXISTS alone Bool COMMENT 'It stands in mark_current already; counts are to be made again all the same' AFTER pupil_id;

ALTER TABLE touched_view MODIFY QUERY
SELECT batch, session_date, urn, session, pupil_id, alone FROM mark_event
WHERE period = '' AND NOT superseded AND source_kind != 'kiosk';

-- What sinks/sql/derive_current.sql gives for a pupil and session with one assertion, delivered once.
CREATE MATERIALIZED VIEW mark_current_view TO mark_current AS
SELECT
    session_date, urn, session, pupil_id, source, source_kind, raw_code, canonical_code, minutes_late,
    NOT deleted AND canonical_code != '-' AS is_mark,
    asserted_at, exceptions, year_group, in_scope, toUInt8(is_mark) AS sources, false AS disagree, event_id,
    bitOr(
        bitShiftLeft(toUInt128(map_version), 64),
        toUInt128(toUInt64(toUnixTimestamp64Milli(ingested_at) - 1767225600000))
    ) AS derived_version
FROM mark_event
WHERE alone AND period = '' AND NOT superseded AND source_kind != 'kiosk';

ALTER TABLE mark_current
    COMMENT COLUMN IF EXISTS derived_version 'map version << 64 | derived by the rule << 63 | sum over assertions of (ingested_at - 2026-01-01) in ms';
