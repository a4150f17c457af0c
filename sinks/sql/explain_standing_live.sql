-- `standing` of explain_marks.sql in the live basis: kiosks where a mark is missing or N (rule 17). Read by sinks/explaining.py.
(
    SELECT
        l.session_date AS session_date, l.urn AS urn, l.session AS session, l.pupil_id AS pupil_id, l.source AS source,
        l.source_kind AS source_kind, l.raw_code AS raw_code, l.canonical_code AS canonical_code, l.year_group AS year_group,
        l.in_scope AS in_scope, greatest(c.sources, 1) AS sources, c.disagree AND l.rule = 'statutory' AS disagree,
        if(l.rule = 'statutory', c.losers, []) AS losers, l.event_id AS event_id, c.publication AS publication, l.rule AS basis_rule,
        l.statutory_source AS statutory_source, l.statutory_code AS statutory_code
    FROM
    (
        SELECT * FROM marks_live
        WHERE session_date = {day:Date} AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
    ) AS l
    LEFT JOIN
    (
        SELECT urn, toString(session) AS session, pupil_id, sources, disagree, losers, toUInt64(bitShiftRight(derived_version, 64)) AS publication
        FROM mark_current FINAL
        WHERE session_date = {day:Date} AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
    ) AS c ON c.urn = l.urn AND c.session = l.session AND c.pupil_id = l.pupil_id
)
