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
WITH (SELECT mapFromArrays(groupArray(bit), groupArray(name)) FROM (SELECT toUInt64(bit) AS bit, toString(any(name)) AS name FROM exception_kind GROUP BY bit)) AS names
SELECT
    m.session_date, m.urn, toString(m.session), m.pupil_id, m.source, toString(m.source_kind), m.raw_code, m.canonical_code,
    c.label, if(m.canonical_code = '', 'unknown', c.category), c.is_possible, c.is_attendance,
    c.absence_type = 'authorised', c.absence_type = 'unauthorised', c.is_late, m.canonical_code = '',
    m.session_date < toDate(now('Europe/London')) OR (m.session_date = toDate(now('Europe/London'))
        AND if(o.opens_at = '', m.session = 'AM' OR toHour(now('Europe/London')) >= 12, o.opens_at <= formatDateTime(now('Europe/London'), '%H:%i'))),
    if(m.minutes_late < 0, NULL, m.minutes_late), m.asserted_at,
    arrayMap(bit -> names[bit], bitPositionsToArray(m.exceptions)), m.year_group,
    m.in_scope AND s.in_headline AND m.session_date <= s.valid_to, m.sources, m.disagree,
    s.school_name, s.la_code, s.la_name, s.region_name, s.trust_id, s.trust_name, s.phase, m.event_id
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
WITH (SELECT mapFromArrays(groupArray(bit), groupArray(name)) FROM (SELECT toUInt64(bit) AS bit, toString(any(name)) AS name FROM exception_kind GROUP BY bit)) AS names
SELECT
    session_date, urn, toString(session), period, pupil_id, source, toString(source_kind), record_id, group_id, code_scheme, raw_code,
    canonical_code, if(minutes_late < 0, NULL, minutes_late), amended_from, amend_reason, amended_by, amended_position,
    amend_evidence, if(amended_at = toDateTime64(0, 3, 'UTC'), NULL, amended_at), deleted, superseded, asserted_at, ingested_at,
    arrayMap(bit -> names[bit], bitPositionsToArray(exceptions)), year_group, in_scope,
    topic, partition, offset, item, event_id
FROM mark_event FINAL
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
    m.session_date, m.urn, toString(m.session), m.year_group, m.in_scope,
    m.in_scope AND s.in_headline AND m.session_date <= s.valid_to,
    m.canonical_code, if(m.canonical_code = '', 'unknown', c.category),
    m.session_date < toDate(now('Europe/London')) OR (m.session_date = toDate(now('Europe/London'))
        AND if(o.opens_at = '', m.session = 'AM' OR toHour(now('Europe/London')) >= 12, o.opens_at <= formatDateTime(now('Europe/London'), '%H:%i'))),
    m.marks, m.marks * c.is_possible, m.marks * c.is_attendance, m.marks * (c.absence_type = 'authorised'),
    m.marks * (c.absence_type = 'unauthorised'), m.marks * c.is_late, m.marks * (m.canonical_code = ''),
    s.school_name, s.la_code, s.la_name, s.region_name, s.trust_id, s.trust_name, s.phase
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
    session_date, urn, any(school_name), any(la_code), any(la_name), any(trust_id), any(trust_name), any(phase), in_headline,
    sum(marks), sum(possible), sum(attendance), sum(authorised), sum(unauthorised), sum(late), sum(unknown),
    if(sum(possible) = 0, NULL, 100 * sum(attendance) / sum(possible))
FROM session_counts
WHERE has_begun
GROUP BY session_date, urn, in_headline
COMMENT 'A school''s day, of the sessions that have begun. Basis: statutory (registers and MIS)';
