-- `standing` of explain_marks.sql in the statutory basis: the marks that count, of one date. Read by sinks/explaining.py.
(
    SELECT
        session_date, urn, toString(session) AS session, pupil_id, source, toString(source_kind) AS source_kind, raw_code, canonical_code,
        year_group, in_scope, sources, disagree, losers, event_id, toUInt64(bitShiftRight(derived_version, 64)) AS publication,
        'statutory' AS basis_rule, '' AS statutory_source, '' AS statutory_code
    FROM mark_current FINAL
    WHERE is_mark AND session_date = {day:Date} AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
)
