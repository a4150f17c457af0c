-- Rule 17 to be seen: what lost against the mark that counts, and by which rule; and the second basis, live, in which what a
-- kiosk says may stand for a mark that is missing or N, and for no other. Statutory figures never see a kiosk.

-- Filled by sinks/sql/derive_current.sql; a mark that came alone has none. Rows derived before this have none until they are derived again.
ALTER TABLE mark_current ADD COLUMN IF NOT EXISTS
    losers Array(Tuple(
        source LowCardinality(String), source_kind LowCardinality(String), raw_code LowCardinality(String),
        canonical_code LowCardinality(String), minutes_late Int16, asserted_at DateTime64(3, 'UTC'), event_id UInt64,
        rule LowCardinality(String)
    )) COMMENT 'Marks of other sources that stand, say another code, and lost; with the rule that chose' AFTER disagree;

CREATE VIEW marks_conflicting
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    pupil_id       UInt64 COMMENT 'Surrogate',
    year_group     LowCardinality(String),
    source         LowCardinality(String) COMMENT 'The system whose mark counts',
    source_kind    LowCardinality(String),
    raw_code       LowCardinality(String),
    canonical_code LowCardinality(String) COMMENT 'Empty when no map knows it',
    asserted_at    DateTime64(3, 'UTC'),
    event_id       UInt64 COMMENT 'Its delivery in marks_history',
    loser_source   LowCardinality(String) COMMENT 'The system whose mark says something else and does not count',
    loser_source_kind LowCardinality(String),
    loser_raw_code LowCardinality(String),
    loser_canonical_code LowCardinality(String),
    loser_minutes_late Nullable(Int16),
    loser_asserted_at DateTime64(3, 'UTC'),
    loser_event_id UInt64 COMMENT 'Its delivery in marks_history',
    rule           LowCardinality(String) COMMENT 'definite_code: N and unmapped codes give way; mis_before_register; latest',
    school_name    String,
    la_code        LowCardinality(String),
    trust_id       LowCardinality(String),
    phase          LowCardinality(String)
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, m.urn AS urn, toString(m.session) AS session, m.pupil_id AS pupil_id, m.year_group AS year_group,
    m.source AS source, toString(m.source_kind) AS source_kind, m.raw_code AS raw_code, m.canonical_code AS canonical_code,
    m.asserted_at AS asserted_at, m.event_id AS event_id,
    m.loser.source AS loser_source, m.loser.source_kind AS loser_source_kind, m.loser.raw_code AS loser_raw_code,
    m.loser.canonical_code AS loser_canonical_code, if(m.loser.minutes_late < 0, NULL, m.loser.minutes_late) AS loser_minutes_late,
    m.loser.asserted_at AS loser_asserted_at, m.loser.event_id AS loser_event_id, m.loser.rule AS rule,
    s.school_name AS school_name, s.la_code AS la_code, s.trust_id AS trust_id, s.phase AS phase
FROM (SELECT *, arrayJoin(losers) AS loser FROM mark_current FINAL WHERE is_mark) AS m
ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
COMMENT 'Pupils for whose session two systems say different codes: what counts, what lost, and by which rule (rule 17)';

-- What kiosks say where no definite mark stands: the pupil's first sign-in of a session, by the school's own times. Basis live only.
CREATE VIEW evidence_standing
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    pupil_id       UInt64 COMMENT 'Surrogate',
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
AS SELECT
    e.session_date AS session_date, e.urn AS urn, toString(e.session) AS session, e.pupil_id AS pupil_id, e.said.1 AS source,
    e.said.2 AS raw_code, e.said.3 AS canonical_code, e.said.4 AS minutes_late, e.said.5 AS asserted_at, e.said.6 AS exceptions,
    e.said.7 AS year_group, e.said.8 AS in_scope, e.said.9 AS event_id, if(m.is_mark, 'N', '') AS replaces,
    m.source AS register_source, m.year_group AS register_year_group, m.in_scope AS register_in_scope
FROM
(
    SELECT
        a.session_date AS session_date, a.urn AS urn, a.session AS session, a.pupil_id AS pupil_id,
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
    GROUP BY a.session_date, a.urn, a.session, a.pupil_id
) AS e
LEFT JOIN
(
    SELECT * FROM mark_current FINAL
    WHERE is_mark AND (session_date, urn) IN (SELECT session_date, urn FROM mark_assertion WHERE source_kind = 'kiosk')
) AS m
    ON m.session_date = e.session_date AND m.urn = e.urn AND m.session = e.session AND m.pupil_id = e.pupil_id
WHERE NOT m.is_mark OR m.canonical_code = 'N'
COMMENT 'Sign-ins that stand, in the live basis, for a mark that is missing or N (rule 17)';

CREATE VIEW marks_live
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    pupil_id       UInt64 COMMENT 'Surrogate',
    source         LowCardinality(String) COMMENT 'The system whose mark counts in this basis',
    source_kind    LowCardinality(String) COMMENT 'register, mis or kiosk',
    raw_code       LowCardinality(String),
    canonical_code LowCardinality(String) COMMENT 'Empty when no map knows it (rule 2)',
    minutes_late   Nullable(Int16),
    asserted_at    DateTime64(3, 'UTC'),
    year_group     LowCardinality(String),
    in_scope       Bool COMMENT 'Rule 14, pupil part',
    rule           LowCardinality(String) COMMENT 'statutory: the mark of marks_current; kiosk_for_n; kiosk_for_missing',
    statutory_source LowCardinality(String) COMMENT 'Whose mark counts in the statutory basis; empty: none',
    statutory_code LowCardinality(String) COMMENT 'Its code',
    event_id       UInt64 COMMENT 'The delivery in marks_history that counts'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_date, urn, toString(session) AS session, pupil_id, source, toString(source_kind) AS source_kind, raw_code, canonical_code,
    if(m.minutes_late < 0, NULL, m.minutes_late) AS minutes_late, asserted_at, year_group, in_scope, 'statutory' AS rule,
    m.source AS statutory_source, m.canonical_code AS statutory_code, event_id
FROM mark_current AS m FINAL
WHERE is_mark AND (canonical_code != 'N' OR (session_date, urn, toString(session), pupil_id) NOT IN
    (SELECT session_date, urn, session, pupil_id FROM evidence_standing WHERE replaces = 'N'))
UNION ALL
SELECT
    session_date, urn, session, pupil_id, source, 'kiosk', raw_code, canonical_code,
    if(e.minutes_late < 0, NULL, e.minutes_late), asserted_at, year_group, in_scope,
    if(e.replaces = 'N', 'kiosk_for_n', 'kiosk_for_missing'), e.register_source, e.replaces, event_id
FROM evidence_standing AS e
COMMENT 'The mark that counts in the live basis: as marks_current, and kiosks where a mark is missing or N (rule 17). For no publication';

CREATE VIEW session_counts_live
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
        SELECT session_date, urn, session, year_group, in_scope, canonical_code, toInt64(1) FROM evidence_standing
        UNION ALL
        SELECT session_date, urn, session, register_year_group, register_in_scope, 'N', toInt64(-1) FROM evidence_standing
        WHERE replaces = 'N'
    )
    GROUP BY session_date, urn, session, year_group, in_scope, canonical_code
    HAVING marks != 0
) AS m
ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
LEFT JOIN session_openings AS o ON o.urn = m.urn AND o.session = m.session
COMMENT 'session_counts in the live basis: add them up, then divide (rule 19). For no publication (rule 17)';
