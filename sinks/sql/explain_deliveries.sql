-- Deliveries of one date by their event_id, wherever their mark counts. Read by sinks/explaining.py and sinks/mark_stories.py.
WITH
    (SELECT mapFromArrays(groupArray(toUInt64(k.bit)), groupArray(toString(k.name))) FROM exception_kind AS k FINAL) AS names
SELECT
    event_id, pupil_id, toString(source) AS source, toString(source_kind) AS source_kind, record_id, toString(code_scheme) AS code_scheme,
    toString(raw_code) AS raw_code, toString(canonical_code) AS canonical_code, map_version, minutes_late, toString(amended_from) AS amended_from,
    toString(amend_reason) AS amend_reason, toString(amended_by) AS amended_by, toString(amended_position) AS amended_position,
    toString(amend_evidence) AS amend_evidence, amended_at, deleted, superseded, asserted_at, version, ingested_at,
    arrayMap(bit -> names[bit], bitPositionsToArray(exceptions)) AS exceptions, toString(topic) AS topic, toString(topic_id) AS topic_id,
    partition, offset, item, schema_id, toString(period) AS period, session_date, urn, toString(session) AS session
FROM mark_event FINAL
WHERE {condition}
