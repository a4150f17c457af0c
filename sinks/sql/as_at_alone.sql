-- What derive_current.sql gives for a pupil and session with one delivery, which most are: no grouping, a quarter of the work. As
-- sinks/migrations/0015_alone.sql, by the code map and the days of schools that are known; a test holds it against the rule.
-- existing: derive_existing.sql over as_at_alone_assertions.sql. Read by sinks/as_at_marks.py.
SELECT
    a.session_date, a.urn, a.session, a.pupil_id, a.source, a.source_kind, a.raw_code, m.canonical_code, a.minutes_late,
    NOT a.deleted AND m.canonical_code != '-' AS is_mark, a.asserted_at, a.exceptions, a.year_group, a.in_scope,
    toUInt8(is_mark) AS sources, false AS disagree, [] AS losers, a.event_id,
    bitOr(
        bitShiftLeft(toUInt128({publication:UInt64}), 64),
        toUInt128(bitOr(toUInt64(toUnixTimestamp64Milli(a.ingested_at) - 1767225600000), bitShiftLeft(toUInt64(1), 63)))
    ) AS derived_version
FROM {existing} AS a
LEFT JOIN
(
    SELECT scheme, raw_code, canonical_code, valid_from, valid_to FROM code_map FINAL
    WHERE (scheme, version) IN (SELECT scheme, max(version) FROM code_map GROUP BY scheme)
) AS m
    ON a.code_scheme = m.scheme AND a.raw_code = m.raw_code
    AND a.session_date >= m.valid_from AND a.session_date <= m.valid_to
