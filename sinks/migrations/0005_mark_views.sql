-- Views on marks for analysts: current, history, counts. Read by the reports and by any SQL client.
-- Right without FINAL, at any moment, while marks are amended, delivered again and merged. A mark dated ahead stands in
-- marks_current with has_begun = false and counts from the start of its session (rule 1).

CREATE VIEW marks_current
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    pupil_id       UInt64 COMMENT 'Surrogate',
    source         LowCardinality(String) COMMENT 'The system whose mark counts',
    source_kind    LowCardinality(String) COMMENT 'register or mis',
    raw_code       LowCardinality(String) COMMENT 'As received',
    canonical_code LowCardinality(String) COMMENT 'National code by the map in force; empty when no map knows it (rule 2)',
    label          String COMMENT 'What the code means',
    category       LowCardinality(String) COMMENT 'What it counts as; unknown when no map knows the code',
    is_possible    Bool COMMENT 'A possible session',
    is_attendance  Bool,
    is_authorised  Bool COMMENT 'Authorised absence',
    is_unauthorised Bool COMMENT 'Unauthorised absence',
    is_late        Bool COMMENT 'L or U',
    is_unknown     Bool COMMENT 'No map knows the code: neither present nor absent',
    has_begun      Bool COMMENT 'The session has begun; before that the mark counts nowhere',
    minutes_late   Nullable(Int16),
    asserted_at    DateTime64(3, 'UTC') COMMENT 'When the source said so',
    exceptions     Array(LowCardinality(String)) COMMENT 'Findings about this mark (exception_kind)',
    year_group     LowCardinality(String),
    in_headline    Bool COMMENT 'Rule 14: pupils of 5 to 15 in state-funded primary, secondary and special schools',
    sources        UInt8 COMMENT 'Sources with a mark that stands',
    disagree       Bool COMMENT 'Those sources say different codes',
    school_name    String,
    la_code        LowCardinality(String),
    la_name        LowCardinality(String),
    region_name    LowCardinality(String),
    trust_id       LowCardinality(String),
    trust_name     LowCardinality(String),
    phase          LowCardinality(String) COMMENT 'Rule 13',
    event_id       UInt64 COMMENT 'The delivery in marks_history that counts'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    (SELECT mapFromArrays(groupArray(toUInt64(k.bit)), groupArray(toString(k.name))) FROM exception_kind AS k FINAL) AS names
SELECT
    m.session_date AS session_date, m.urn AS urn, toString(m.session) AS session, m.pupil_id AS pupil_id, m.source AS source,
    toString(m.source_kind) AS source_kind, m.raw_code AS raw_code, m.canonical_code AS canonical_code, c.label AS label,
    if(m.canonical_code = '', 'unknown', c.category) AS category, c.is_possible AS is_possible, c.is_attendance AS is_attendance,
    c.absence_type = 'authorised' AS is_authorised, c.absence_type = 'unauthorised' AS is_unauthorised, c.is_late AS is_late,
    m.canonical_code = '' AS is_unknown,
    m.session_date < toDate(now('Europe/London')) OR (m.session_date = toDate(now('Europe/London')) AND if(o.opens_at = '',
        m.session = 'AM' OR toHour(now('Europe/London')) >= 12, o.opens_at <= formatDateTime(now('Europe/London'), '%H:%i')))
        AS has_begun,
    if(m.minutes_late < 0, NULL, m.minutes_late) AS minutes_late, m.asserted_at AS asserted_at,
    arrayMap(bit -> names[bit], bitPositionsToArray(m.exceptions)) AS exceptions, m.year_group AS year_group,
    m.in_scope AND s.in_headline AND m.session_date <= s.valid_to AS in_headline, m.sources AS sources, m.disagree AS disagree,
    s.school_name AS school_name, s.la_code AS la_code, s.la_name AS la_name, s.region_name AS region_name,
    s.trust_id AS trust_id, s.trust_name AS trust_name, s.phase AS phase, m.event_id AS event_id
FROM (SELECT * FROM mark_current FINAL WHERE is_mark) AS m
ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
LEFT JOIN session_openings AS o ON o.urn = m.urn AND o.session = toString(m.session)
COMMENT 'The mark that counts, per pupil and session, with the school as it was on that date';

CREATE VIEW marks_history
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    period         LowCardinality(String) COMMENT 'Lesson; empty for a session mark (rule 7)',
    pupil_id       UInt64 COMMENT 'Surrogate',
    source         LowCardinality(String) COMMENT 'The system that said so',
    source_kind    LowCardinality(String),
    record_id      String COMMENT 'The source''s id of the record; empty for registers',
    group_id       LowCardinality(String),
    code_scheme    LowCardinality(String),
    raw_code       LowCardinality(String) COMMENT 'As received',
    canonical_code LowCardinality(String) COMMENT 'By the map in force on arrival; empty when no map knew it',
    minutes_late   Nullable(Int16),
    amended_from   LowCardinality(String) COMMENT 'Original code of an amendment (rule 26)',
    amend_reason   LowCardinality(String),
    amended_by     LowCardinality(String) COMMENT 'Staff reference',
    amended_position LowCardinality(String),
    amend_evidence LowCardinality(String),
    amended_at     Nullable(DateTime64(3, 'UTC')),
    is_deletion    Bool COMMENT 'The source says that the record is gone',
    superseded     Bool COMMENT 'Arrived after a newer re-assertion of the same mark: never counted',
    asserted_at    DateTime64(3, 'UTC') COMMENT 'When the source said so, capped (rule 6)',
    ingested_at    DateTime64(3, 'UTC') COMMENT 'When Rollcall took it in',
    exceptions     Array(LowCardinality(String)) COMMENT 'Findings on arrival (exception_kind)',
    year_group     LowCardinality(String) COMMENT 'By the roster known on arrival',
    in_scope       Bool COMMENT 'Rule 14, pupil part, by the roster known on arrival',
    topic          LowCardinality(String) COMMENT 'Where it stands in Kafka: topic, partition, offset, item',
    partition      UInt16,
    offset         UInt64,
    item           UInt32,
    event_id       UInt64 COMMENT 'Identity of the delivery'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    (SELECT mapFromArrays(groupArray(toUInt64(k.bit)), groupArray(toString(k.name))) FROM exception_kind AS k FINAL) AS names
SELECT
    e.session_date AS session_date, e.urn AS urn, toString(e.session) AS session, e.period AS period, e.pupil_id AS pupil_id,
    e.source AS source, toString(e.source_kind) AS source_kind, e.record_id AS record_id, e.group_id AS group_id,
    e.code_scheme AS code_scheme, e.raw_code AS raw_code, e.canonical_code AS canonical_code,
    if(e.minutes_late < 0, NULL, e.minutes_late) AS minutes_late, e.amended_from AS amended_from, e.amend_reason AS amend_reason,
    e.amended_by AS amended_by, e.amended_position AS amended_position, e.amend_evidence AS amend_evidence,
    if(e.amended_at = toDateTime64(0, 3, 'UTC'), NULL, e.amended_at) AS amended_at, e.deleted AS is_deletion,
    e.superseded AS superseded, e.asserted_at AS asserted_at, e.ingested_at AS ingested_at,
    arrayMap(bit -> names[bit], bitPositionsToArray(e.exceptions)) AS exceptions, e.year_group AS year_group,
    e.in_scope AS in_scope, e.topic AS topic, e.partition AS partition, e.offset AS offset, e.item AS item, e.event_id AS event_id
FROM mark_event AS e FINAL
COMMENT 'Every accepted mark as delivered, once';

CREATE VIEW session_counts
(
    session_date   Date COMMENT 'School-local date (rule 8)',
    urn            UInt32 COMMENT 'School',
    session        LowCardinality(String) COMMENT 'AM or PM',
    year_group     LowCardinality(String),
    in_scope       Bool COMMENT 'Rule 14, pupil part',
    in_headline    Bool COMMENT 'Rule 14, pupil and school',
    canonical_code LowCardinality(String) COMMENT 'Empty when no map knows the code',
    category       LowCardinality(String) COMMENT 'unknown when no map knows the code',
    has_begun      Bool COMMENT 'The session has begun; before that nothing counts',
    marks          UInt64,
    possible       UInt64 COMMENT 'attendance + absence',
    attendance     UInt64,
    authorised     UInt64 COMMENT 'Authorised absence',
    unauthorised   UInt64 COMMENT 'Unauthorised absence',
    late           UInt64 COMMENT 'L + U',
    unknown        UInt64 COMMENT 'No map knows the code',
    school_name    String,
    la_code        LowCardinality(String),
    la_name        LowCardinality(String),
    region_name    LowCardinality(String),
    trust_id       LowCardinality(String),
    trust_name     LowCardinality(String),
    phase          LowCardinality(String) COMMENT 'Rule 13'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, m.urn AS urn, toString(m.session) AS session, m.year_group AS year_group,
    m.in_scope AS in_scope, m.in_scope AND s.in_headline AND m.session_date <= s.valid_to AS in_headline,
    m.canonical_code AS canonical_code, if(m.canonical_code = '', 'unknown', c.category) AS category,
    m.session_date < toDate(now('Europe/London')) OR (m.session_date = toDate(now('Europe/London')) AND if(o.opens_at = '',
        m.session = 'AM' OR toHour(now('Europe/London')) >= 12, o.opens_at <= formatDateTime(now('Europe/London'), '%H:%i')))
        AS has_begun,
    m.marks AS marks, m.marks * c.is_possible AS possible, m.marks * c.is_attendance AS attendance,
    m.marks * (c.absence_type = 'authorised') AS authorised, m.marks * (c.absence_type = 'unauthorised') AS unauthorised,
    m.marks * c.is_late AS late, m.marks * (m.canonical_code = '') AS unknown,
    s.school_name AS school_name, s.la_code AS la_code, s.la_name AS la_name, s.region_name AS region_name,
    s.trust_id AS trust_id, s.trust_name AS trust_name, s.phase AS phase
FROM (SELECT * FROM school_session FINAL WHERE marks > 0) AS m
ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
LEFT JOIN session_openings AS o ON o.urn = m.urn AND o.session = toString(m.session)
COMMENT 'Counts per school, session, year group, scope and code: add them up, then divide (rule 19)';

CREATE VIEW school_days
(
    session_date Date COMMENT 'School-local date (rule 8)',
    urn          UInt32 COMMENT 'School',
    school_name  String,
    la_code      LowCardinality(String),
    la_name      LowCardinality(String),
    trust_id     LowCardinality(String),
    trust_name   LowCardinality(String),
    phase        LowCardinality(String) COMMENT 'Rule 13',
    in_headline  Bool COMMENT 'Rule 14: one row for the pupils in the headline, one for the others',
    marks        UInt64,
    possible     UInt64 COMMENT 'attendance + absence',
    attendance   UInt64,
    authorised   UInt64,
    unauthorised UInt64,
    late         UInt64 COMMENT 'L + U',
    unknown      UInt64 COMMENT 'No map knows the code: neither present nor absent',
    attendance_rate Nullable(Float64) COMMENT 'Percent of possible, not rounded; NULL without possible sessions'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    n.session_date AS session_date, n.urn AS urn, any(n.school_name) AS school_name, any(n.la_code) AS la_code,
    any(n.la_name) AS la_name, any(n.trust_id) AS trust_id, any(n.trust_name) AS trust_name, any(n.phase) AS phase,
    n.in_headline AS in_headline, sum(n.marks) AS marks, sum(n.possible) AS possible, sum(n.attendance) AS attendance,
    sum(n.authorised) AS authorised, sum(n.unauthorised) AS unauthorised, sum(n.late) AS late, sum(n.unknown) AS unknown,
    if(sum(n.possible) = 0, NULL, 100 * sum(n.attendance) / sum(n.possible)) AS attendance_rate
FROM session_counts AS n
WHERE n.has_begun
GROUP BY n.session_date, n.urn, n.in_headline
COMMENT 'A school''s day, of the sessions that have begun. Basis: statutory (registers and MIS)';
