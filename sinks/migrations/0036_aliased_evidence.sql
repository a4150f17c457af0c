-- A sign-in of an aliased pupil counts, in the live basis, for the pupil that its marks count for: by the school, system and session dates
-- of the alias, as derive has it (sinks/sql/derive_linked.sql). Applied on reading, so that an alias and its undoing are seen at once;
-- nothing is stored for evidence, and no statutory figure has seen it (rule 17).

-- `aliased`: the pupils whose marks count for another, and for each the aliases in force. It says again what pupil_alias_in_force says
-- (of a pupil_id the greatest version; an alias to a pupil who is aliased himself waits), because planning a view within this one costs
-- more than all else that aliases cost here; tests hold that both say the same. Without aliases two empty arrays. Else as in 0024.
CREATE OR REPLACE VIEW evidence_standing
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    pupil_id       UInt64 COMMENT 'Surrogate; of an aliased pupil the one that its sign-in counts for',
    source         LowCardinality(String) COMMENT 'The kiosk',
    raw_code       LowCardinality(String),
    canonical_code LowCardinality(String),
    minutes_late   Int16 COMMENT '-1 when not given',
    asserted_at    DateTime64(3, 'UTC') COMMENT 'When the pupil signed in',
    exceptions     UInt32,
    year_group     LowCardinality(String),
    in_scope       Bool,
    event_id       UInt64,
    replaces       LowCardinality(String) COMMENT 'N, or empty: no mark stands',
    register_source LowCardinality(String) COMMENT 'Whose N it stands for; empty for none',
    register_year_group LowCardinality(String),
    register_in_scope Bool
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    (
        SELECT (groupArray(p.pupil_id), groupArray(p.latest))
        FROM
        (
            SELECT pupil_id, arrayFilter(f -> f.5 != 0 AND f.6 = max(version),
                groupArray((urn, toString(source), valid_from, valid_to, to_pupil_id, version))) AS latest
            FROM pupil_alias GROUP BY pupil_id HAVING notEmpty(latest)
        ) AS p
    ) AS aliased
SELECT
    e.session_date AS session_date, e.urn AS urn, toString(e.session) AS session, e.pupil_id AS pupil_id, e.said.1 AS source,
    e.said.2 AS raw_code, e.said.3 AS canonical_code, e.said.4 AS minutes_late, e.said.5 AS asserted_at, e.said.6 AS exceptions,
    e.said.7 AS year_group, e.said.8 AS in_scope, e.said.9 AS event_id, if(m.is_mark, 'N', '') AS replaces,
    m.source AS register_source, m.year_group AS register_year_group, m.in_scope AS register_in_scope
FROM
(
    SELECT
        a.session_date AS session_date, a.urn AS urn, a.session AS session,
        ifNull(nullIf(arrayFirst(
            f -> (f.1 = 0 OR f.1 = a.urn) AND (f.2 = '' OR f.2 = a.source) AND a.session_date BETWEEN f.3 AND f.4
                AND NOT has(aliased.1, f.5),
            aliased.2[transform(a.pupil_id, aliased.1, range(1, length(aliased.1) + 1), 0)]).5, 0), a.pupil_id) AS pupil_id,
        argMin(
            (a.source, a.raw_code, c.canonical_code, a.minutes_late, a.asserted_at, a.exceptions, a.year_group, a.in_scope, a.event_id),
            (a.asserted_at, a.event_id)
        ) AS said
    FROM (SELECT * FROM mark_assertion FINAL WHERE source_kind = 'kiosk' AND NOT deleted) AS a
    INNER JOIN
    (
        SELECT scheme, raw_code, canonical_code, valid_from, valid_to FROM code_map FINAL
        WHERE (scheme, version) IN (SELECT scheme, max(version) FROM code_map GROUP BY scheme)
    ) AS c
        ON a.code_scheme = c.scheme AND a.raw_code = c.raw_code
        AND a.session_date >= c.valid_from AND a.session_date <= c.valid_to
    LEFT JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS l ON l.urn = a.urn
    WHERE l.urn = 0 OR a.session_date BETWEEN l.opened_on AND l.closed_on
    GROUP BY session_date, urn, session, pupil_id
) AS e
LEFT JOIN
(
    SELECT * FROM mark_current FINAL
    WHERE is_mark AND (session_date, urn) IN (SELECT session_date, urn FROM mark_assertion WHERE source_kind = 'kiosk')
) AS m
    ON m.session_date = e.session_date AND m.urn = e.urn AND m.session = e.session AND m.pupil_id = e.pupil_id
WHERE NOT m.is_mark OR m.canonical_code = 'N'
COMMENT 'Sign-ins that stand, in the live basis, for a mark that is missing or N (rule 17)';

-- Evidence is read once, for the sign-in and for the N that it stands for. Else as in 0016.
CREATE OR REPLACE VIEW session_counts_live
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    year_group     LowCardinality(String),
    in_scope       Bool COMMENT 'Rule 14, pupil part',
    in_headline    Bool COMMENT 'Rule 14, pupil and school',
    canonical_code LowCardinality(String) COMMENT 'Empty when no map knows the code',
    has_begun      Bool COMMENT 'The session has begun; before that nothing counts',
    marks          Int64,
    possible       Int64 COMMENT 'attendance + absence',
    attendance     Int64,
    authorised     Int64 COMMENT 'Authorised absence',
    unauthorised   Int64 COMMENT 'Unauthorised absence',
    late           Int64 COMMENT 'L + U',
    unknown        Int64 COMMENT 'No map knows the code',
    school_name    String,
    la_code        LowCardinality(String),
    la_name        LowCardinality(String),
    trust_id       LowCardinality(String),
    trust_name     LowCardinality(String),
    phase          LowCardinality(String) COMMENT 'Rule 13'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, m.urn AS urn, m.session AS session, m.year_group AS year_group, m.in_scope AS in_scope,
    m.in_scope AND s.in_headline AND m.session_date <= s.valid_to AS in_headline, m.canonical_code AS canonical_code,
    m.session_date < toDate(now('Europe/London')) OR (m.session_date = toDate(now('Europe/London')) AND if(o.opens_at = '',
        m.session = 'AM' OR toHour(now('Europe/London')) >= 12, o.opens_at <= formatDateTime(now('Europe/London'), '%H:%i')))
        AS has_begun,
    m.marks AS marks, m.marks * c.is_possible AS possible, m.marks * c.is_attendance AS attendance,
    m.marks * (c.absence_type = 'authorised') AS authorised, m.marks * (c.absence_type = 'unauthorised') AS unauthorised,
    m.marks * c.is_late AS late, m.marks * (m.canonical_code = '') AS unknown,
    s.school_name AS school_name, s.la_code AS la_code, s.la_name AS la_name,
    s.trust_id AS trust_id, s.trust_name AS trust_name, s.phase AS phase
FROM
(
    SELECT session_date, urn, session, year_group, in_scope, canonical_code, sum(marks) AS marks
    FROM
    (
        SELECT session_date, urn, toString(session) AS session, year_group, in_scope, canonical_code, toInt64(marks) AS marks
        FROM school_session FINAL
        UNION ALL
        SELECT session_date, urn, session, counted.1, counted.2, counted.3, counted.4
        FROM
        (
            SELECT session_date, urn, session, arrayJoin(arrayPushBack(
                if(replaces = 'N', [(register_year_group, register_in_scope, replaces, toInt64(-1))], []),
                (year_group, in_scope, canonical_code, toInt64(1)))) AS counted
            FROM evidence_standing
        )
    )
    GROUP BY session_date, urn, session, year_group, in_scope, canonical_code
    HAVING marks != 0
) AS m
ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
LEFT JOIN session_openings AS o ON o.urn = m.urn AND o.session = m.session
COMMENT 'session_counts in the live basis: add them up, then divide (rule 19). For no publication (rule 17)';
