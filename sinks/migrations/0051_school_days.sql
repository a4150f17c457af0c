-- Counts are added up before the facts of schools are joined to them, and no fact is worked out of several rows: so a condition on the
-- authority reaches what is read, and a question about one no longer costs what one about the nation does. A school's pupils in scope
-- and the others are added up side by side, and are its headline and the rest, or together the rest (rule 14): with the scope as a
-- column of what is joined, the engine (26.9) fails on some questions about the headline. Whether a session has begun is said as in
-- session_counts (0050): through that view each count would be joined to its school first, as before.

CREATE OR REPLACE VIEW school_days
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
    n.session_date AS session_date, n.urn AS urn, s.school_name AS school_name, s.la_code AS la_code, s.la_name AS la_name,
    s.trust_id AS trust_id, s.trust_name AS trust_name, s.phase AS phase, part.1 AS in_headline, part.2 AS marks, part.3 AS possible,
    part.4 AS attendance, part.5 AS authorised, part.6 AS unauthorised, part.7 AS late, part.8 AS unknown,
    if(possible = 0, NULL, 100 * attendance / possible) AS attendance_rate
FROM
(
    SELECT
        m.session_date AS session_date, m.urn AS urn,
        sumIf(m.marks, m.in_scope) AS marks_in, sumIf(m.marks, NOT m.in_scope) AS marks_out,
        sumIf(m.marks * c.is_possible, m.in_scope) AS possible_in, sumIf(m.marks * c.is_possible, NOT m.in_scope) AS possible_out,
        sumIf(m.marks * c.is_attendance, m.in_scope) AS attendance_in, sumIf(m.marks * c.is_attendance, NOT m.in_scope) AS attendance_out,
        sumIf(m.marks * (c.absence_type = 'authorised'), m.in_scope) AS authorised_in,
        sumIf(m.marks * (c.absence_type = 'authorised'), NOT m.in_scope) AS authorised_out,
        sumIf(m.marks * (c.absence_type = 'unauthorised'), m.in_scope) AS unauthorised_in,
        sumIf(m.marks * (c.absence_type = 'unauthorised'), NOT m.in_scope) AS unauthorised_out,
        sumIf(m.marks * c.is_late, m.in_scope) AS late_in, sumIf(m.marks * c.is_late, NOT m.in_scope) AS late_out,
        sumIf(m.marks * (m.canonical_code = ''), m.in_scope) AS unknown_in,
        sumIf(m.marks * (m.canonical_code = ''), NOT m.in_scope) AS unknown_out
    FROM (SELECT * FROM school_session FINAL WHERE marks > 0) AS m
    ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
    LEFT JOIN session_openings AS o ON o.urn = m.urn AND o.session = toString(m.session)
    WHERE m.session_date < toDate(now('Europe/London')) OR (m.session_date = toDate(now('Europe/London')) AND if(o.opens_at = '',
        m.session = 'AM' OR toHour(now('Europe/London')) >= 12, o.opens_at <= formatDateTime(now('Europe/London'), '%H:%i')))
    GROUP BY session_date, urn
) AS n
LEFT JOIN schools AS s ON s.urn = n.urn AND s.valid_from <= n.session_date AND n.session_date <= s.used_until
ARRAY JOIN if(s.in_headline AND n.session_date <= s.valid_to,
    [
        (true, marks_in, possible_in, attendance_in, authorised_in, unauthorised_in, late_in, unknown_in),
        (false, marks_out, possible_out, attendance_out, authorised_out, unauthorised_out, late_out, unknown_out)
    ],
    [
        (false, marks_in + marks_out, possible_in + possible_out, attendance_in + attendance_out, authorised_in + authorised_out,
            unauthorised_in + unauthorised_out, late_in + late_out, unknown_in + unknown_out)
    ]) AS part
WHERE part.2 > 0
COMMENT 'A school''s day, of the sessions that have begun. Basis: statutory (registers and MIS)';
