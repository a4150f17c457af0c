-- The rule of derive_current.sql where it has nothing to choose: a key with one assertion, delivered once, is that assertion.
-- Read by sinks/derive.py (into mark_current, for touched keys); the keys with several rows go through derive_current.sql.
-- Most keys are alone, and without FINAL and grouping they cost half. A second row that arrives between the two reads of
-- mark_assertion makes two rows here; its own batch is derived after this one, has seen both, and wins by derived_version.
-- Statutory basis: evidence of kiosks is none of its assertions (rule 17).
-- except_several: a condition that leaves the keys with several rows out, or nothing where there are none.
SELECT
    a.session_date AS session_date, a.urn AS urn, a.session AS session, a.pupil_id AS pupil_id,
    a.source AS source, a.source_kind AS source_kind, a.raw_code AS raw_code, m.canonical_code AS canonical_code, a.minutes_late AS minutes_late,
    NOT a.deleted AND m.canonical_code != '-' AS is_mark,
    a.asserted_at AS asserted_at, a.exceptions AS exceptions, a.year_group AS year_group, a.in_scope AS in_scope,
    toUInt8(is_mark) AS sources, false AS disagree, a.event_id AS event_id,
    bitOr(
        bitShiftLeft(toUInt128((SELECT max(version) FROM code_map)), 64),
        toUInt128(toUInt64(toUnixTimestamp64Milli(a.ingested_at) - 1767225600000))
    ) AS derived_version
FROM
(
    SELECT * FROM mark_assertion
    WHERE (session_date, urn) IN (SELECT DISTINCT session_date, urn FROM touched WHERE batch IN {batches:Array(UInt64)})
      AND bitXor(pupil_id, toUInt64(session)) IN (SELECT bitXor(pupil_id, toUInt64(session)) FROM touched WHERE batch IN {batches:Array(UInt64)})
      AND source_kind != 'kiosk'
      {except_several}
) AS a
LEFT JOIN
(
    SELECT scheme, raw_code, canonical_code, valid_from, valid_to FROM code_map FINAL
    WHERE (scheme, version) IN (SELECT scheme, max(version) FROM code_map GROUP BY scheme)
) AS m
    ON a.code_scheme = m.scheme AND a.raw_code = m.raw_code
    AND a.session_date >= m.valid_from AND a.session_date <= m.valid_to
