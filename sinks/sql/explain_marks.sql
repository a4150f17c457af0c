-- The marks behind a cell: each mark that counts, with its school and category as on that date. Read by sinks/explaining.py, which adds
-- them up by school, or lists them. `standing`: the marks of a basis (explain_standing_*.sql). `lesson_rules`: lesson_rule_names.sql.
(
    SELECT
        m.session_date AS session_date, m.urn AS urn, m.session AS session, m.pupil_id AS pupil_id, m.source AS source,
        m.source_kind AS source_kind, m.raw_code AS raw_code, m.canonical_code AS canonical_code, c.label AS label,
        if(m.canonical_code = '', 'unknown', c.category) AS category, m.year_group AS year_group,
        m.sources AS sources, m.disagree AS disagree, m.losers AS losers, m.event_id AS event_id, m.publication AS publication,
        m.basis_rule AS basis_rule, m.statutory_source AS statutory_source, m.statutory_code AS statutory_code,
        if(m.source_kind = 'lesson', arrayFirst(r -> r.1 = m.urn AND m.session_date >= r.2 AND m.session_date <= r.3, {lesson_rules}).4, '') AS lesson_rule,
        c.is_possible AS possible, c.is_attendance AS attendance, c.absence_type = 'authorised' AS authorised,
        c.absence_type = 'unauthorised' AS unauthorised, c.is_late AS late, m.canonical_code = '' AS unknown,
        m.in_scope AND s.in_headline AND m.session_date <= s.valid_to AS in_headline,
        m.session_date < toDate(now('Europe/London')) OR (m.session_date = toDate(now('Europe/London')) AND if(o.opens_at = '',
            m.session = 'AM' OR toHour(now('Europe/London')) >= 12, o.opens_at <= formatDateTime(now('Europe/London'), '%H:%i')))
            AS has_begun,
        s.school_name AS school_name, s.la_code AS la_code, s.trust_id AS trust_id, s.phase AS phase
    FROM {standing} AS m
    ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
    ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
    LEFT JOIN session_openings AS o ON o.urn = m.urn AND o.session = m.session
)
