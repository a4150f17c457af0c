-- In how many school days a mark may be amended (rule 26), as each school or trust has agreed it. A load is a whole version: one insert, in
-- force from then on for all session dates it names; what was in force before stays to be seen. Written by sinks/amendment_windows.py.
CREATE TABLE amendment_window
(
    published_at DateTime64(6, 'UTC') COMMENT 'Names the version: in force is the greatest',
    urn          UInt32 COMMENT '0: every school without a window of its own on that date',
    valid_from   Date COMMENT 'First session date (rule 10)',
    valid_to     Date COMMENT 'Last session date; 2149-06-06 is open',
    school_days  UInt16
)
ENGINE = ReplacingMergeTree ORDER BY (published_at, urn, valid_from)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Amendment windows, every version';

CREATE VIEW amendment_windows
(
    urn          UInt32 COMMENT 'School; 0: every school without a window of its own on that date',
    valid_from   Date COMMENT 'First session date',
    valid_to     Date COMMENT 'Last session date; 2149-06-06 is open',
    school_days  UInt16 COMMENT 'A mark may be amended until so many school days after its session',
    published_at DateTime64(6, 'UTC') COMMENT 'When this version was loaded'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT urn, valid_from, valid_to, school_days, published_at FROM amendment_window FINAL
WHERE published_at = (SELECT max(published_at) FROM amendment_window)
COMMENT 'Amendment windows in force (rule 26); 5 school days where none says';

-- Data quality: a view for each kind of finding that is of a school and day, beside exceptions_found (findings about marks) and
-- quarantine_open. Each says what it is, when it matters and how to resolve it, in the words of rollcall/domain/quality.py.
-- Ask them for one session_date. `rollcall ask quality` counts them.

CREATE VIEW quality_coverage
(
    session_date Date COMMENT 'A school day of this school',
    urn          UInt32 COMMENT 'School',
    school_name  String,
    missing      UInt64 COMMENT 'Pupils and sessions without a mark that should have one',
    marked       UInt64 COMMENT 'Marks that stand of the sessions that have begun',
    percent      Float64 COMMENT 'marked of marked + missing'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, m.urn AS urn, m.name AS school_name, m.lacking AS missing, c.standing AS marked,
    100 * c.standing / (c.standing + m.lacking) AS percent
FROM (SELECT session_date, urn, any(school_name) AS name, count() AS lacking FROM marks_missing GROUP BY session_date, urn) AS m
INNER JOIN
(
    SELECT session_date, urn, sum(marks) AS standing FROM session_counts WHERE has_begun GROUP BY session_date, urn
) AS c ON c.session_date = m.session_date AND c.urn = m.urn
WHERE c.standing > 0 AND 20 * m.lacking > c.standing + m.lacking
COMMENT 'A school has marks for less than 95 per cent of the pupils and sessions that should have one. Its rate is of those marked: who is missing is neither present nor absent. See rollcall ask unmarked for the registers; have them taken, or the roster corrected.';

CREATE VIEW quality_silent_schools
(
    session_date Date COMMENT 'A school day of this school',
    urn          UInt32 COMMENT 'School',
    school_name  String,
    sessions     UInt64 COMMENT 'Sessions expected that have begun',
    last_marked  Nullable(Date) COMMENT 'The last session date before it that has marks; NULL for none'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    e.session_date AS session_date, e.urn AS urn, s.school_name AS school_name, e.begun AS sessions,
    if(b.urn = 0, NULL, b.marked_on) AS last_marked
FROM
(
    SELECT session_date, urn, count() AS begun FROM sessions_expected
    WHERE has_begun AND (session_date < toDate(now('Europe/London')) OR toHour(now('Europe/London')) >= 12)
    GROUP BY session_date, urn
) AS e
LEFT JOIN (SELECT DISTINCT session_date, urn FROM school_session FINAL WHERE marks > 0) AS m
    ON m.session_date = e.session_date AND m.urn = e.urn
ASOF LEFT JOIN (SELECT DISTINCT urn, session_date AS marked_on FROM school_session FINAL WHERE marks > 0) AS b
    ON b.urn = e.urn AND b.marked_on < e.session_date
ASOF LEFT JOIN schools AS s ON s.urn = e.urn AND s.valid_from <= e.session_date
WHERE m.urn = 0
COMMENT 'No mark stands of a school on one of its school days, by noon if it is today. It is in no figure of that day, and a school that takes no register is not thereby closed. Look at its source (rollcall sources check), or publish the closure in its calendar.';

CREATE VIEW quality_late_sources
(
    session_date Date COMMENT 'School-local date (rule 8)',
    urn          UInt32 COMMENT 'School',
    school_name  String,
    session      LowCardinality(String) COMMENT 'AM or PM',
    source       LowCardinality(String),
    closes_at    LowCardinality(String) COMMENT 'HH:MM, Europe/London: the last of the session''s registers',
    first_said_at DateTime64(3, 'UTC') COMMENT 'The source''s first mark of the session, by its own time',
    minutes_late Int64 COMMENT 'From the closing to that'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    e.session_date AS session_date, e.urn AS urn, s.school_name AS school_name, e.session AS session, m.source AS source,
    e.closing AS closes_at, m.first_said AS first_said_at,
    dateDiff('minute', parseDateTime(concat(toString(e.session_date), ' ', e.closing), '%Y-%m-%d %H:%i', 'Europe/London'), m.first_said) AS minutes_late
FROM (SELECT session_date, urn, session, max(closes_at) AS closing FROM registers_expected GROUP BY session_date, urn, session) AS e
INNER JOIN
(
    SELECT session_date, urn, toString(session) AS session, source, min(asserted_at) AS first_said FROM mark_event
    WHERE period = '' AND NOT superseded AND NOT deleted AND source_kind != 'kiosk'
    GROUP BY session_date, urn, session, source
) AS m ON m.session_date = e.session_date AND m.urn = e.urn AND m.session = e.session
ASOF LEFT JOIN schools AS s ON s.urn = e.urn AND s.valid_from <= e.session_date
WHERE minutes_late > 60
COMMENT 'The first mark that a source gives of a session was made more than an hour after the last register of it should have closed. Until then the school is missing or stands by another source. Ask the school when its registers are taken (rollcall ask late), or pull the source more often.';

CREATE VIEW quality_unmapped_codes
(
    session_date Date COMMENT 'School-local date (rule 8)',
    urn          UInt32 COMMENT 'School',
    school_name  String,
    source       LowCardinality(String) COMMENT 'The system whose mark counts',
    raw_code     LowCardinality(String) COMMENT 'As received',
    marks        UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.session_date AS session_date, m.urn AS urn, s.school_name AS school_name, m.source AS source, m.raw_code AS raw_code, m.marks AS marks
FROM
(
    SELECT session_date, urn, source, raw_code, count() AS marks FROM mark_current FINAL
    WHERE is_mark AND canonical_code = ''
    GROUP BY session_date, urn, source, raw_code
) AS m
ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
COMMENT 'Marks that count carry a code that the map in force does not know. They are unknown in every report: neither present nor absent. Publish a map of the scheme with this code: rollcall reference load codes; the marks follow by themselves.';

CREATE VIEW quality_duplicate_ids
(
    session_date Date COMMENT 'School-local date; 1970-01-01 for what the roster says now, of no date',
    urn          UInt32 COMMENT 'School',
    kind         LowCardinality(String) COMMENT 'record_id, submission_id, reference or upn',
    source       LowCardinality(String) COMMENT 'The system, or the scheme of the reference',
    ids          UInt64 COMMENT 'How many ids'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT r.session_date AS session_date, r.urn AS urn, 'record_id' AS kind, r.source AS source, count() AS ids
FROM
(
    SELECT session_date, urn, source, record_id FROM mark_assertion FINAL
    WHERE record_id != '' AND NOT deleted AND source_kind != 'kiosk'
    GROUP BY session_date, urn, source, record_id
    HAVING uniqExact(pupil_id) > 1
) AS r
GROUP BY r.session_date, r.urn, r.source
UNION ALL
SELECT f.session_date, f.urn, 'submission_id', f.source, count()
FROM exceptions_found AS f
WHERE f.exception = 'submission_id_reused'
GROUP BY f.session_date, f.urn, f.source
UNION ALL
SELECT toDate(0), c.urn, if(startsWith(c.scheme, 'upn'), 'upn', 'reference'), c.scheme, count()
FROM crosswalk AS c FINAL
WHERE c.ambiguous
GROUP BY c.urn, c.scheme
COMMENT 'One id stands for several things: a record of the MIS for two pupils of a day, a submission for two contents, a reference or UPN for two pupils of a school. Marks under it may be given to the wrong pupil, or to nobody. Correct the roster, or ask the supplier for ids that are not used again.';

CREATE VIEW quality_impossible_totals
(
    session_date Date COMMENT 'School-local date (rule 8)',
    urn          UInt32 COMMENT 'School',
    session      LowCardinality(String) COMMENT 'AM or PM',
    kind         LowCardinality(String) COMMENT 'more_marks_than_roll or nobody_attended',
    marks        UInt64 COMMENT 'Marks that stand, Z aside'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT t.session_date AS session_date, t.urn AS urn, t.session AS session, t.kind AS kind, t.standing AS marks
FROM
(
    SELECT
        n.session_date AS session_date, n.urn AS urn, n.session AS session, sumIf(n.marks, n.canonical_code != 'Z') AS standing,
        arrayJoin(arrayFilter(one -> one != '', [
            if((n.session_date, n.urn, n.session) IN
                (SELECT f.session_date, f.urn, f.session FROM exceptions_found AS f WHERE f.exception = 'more_marks_than_roll'), 'more_marks_than_roll', ''),
            if(sum(n.possible) >= 20 AND sum(n.attendance) = 0, 'nobody_attended', '')
        ])) AS kind
    FROM session_counts AS n
    WHERE n.has_begun
    GROUP BY n.session_date, n.urn, n.session
) AS t
COMMENT 'The counts of a session cannot be right: more marks than pupils on roll, or not one of at least 20 pupils attended. They are in the figures as they are. Compare the roster with the MIS; a closed school gives # or Y, not absence.';

CREATE VIEW quality_sudden_changes
(
    session_date Date COMMENT 'School-local date (rule 8)',
    urn          UInt32 COMMENT 'School',
    school_name  String,
    measure      LowCardinality(String) COMMENT 'attendance (per cent) or marks (number)',
    value        Float64 COMMENT 'On this day',
    usual        Float64 COMMENT 'Of the same weekday in the eight weeks before: pooled, or marks a day',
    days         UInt64 COMMENT 'How many such days there are'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    t.session_date AS session_date, t.urn AS urn, t.name AS school_name, t.changed.1 AS measure, t.changed.2 AS value, t.changed.3 AS usual,
    t.earlier AS days
FROM
(
    SELECT
        d.session_date AS session_date, d.urn AS urn, any(d.name) AS name, count() AS earlier,
        100 * any(d.attended) / any(d.possible_sessions) AS rate, 100 * sum(p.attended) / sum(p.possible_sessions) AS usual_rate,
        toFloat64(any(d.standing)) AS standing, sum(p.standing) / count() AS usual_standing,
        arrayJoin(arrayFilter(one -> one.1 != '', [
            (if(any(d.possible_sessions) >= 20 AND sum(p.possible_sessions) > 0 AND abs(rate - usual_rate) >= 10, 'attendance', ''), rate, usual_rate),
            (if(usual_standing >= 20 AND (2 * standing < usual_standing OR standing > 2 * usual_standing), 'marks', ''), standing, usual_standing)
        ])) AS changed
    FROM
    (
        SELECT session_date, urn, any(school_name) AS name, sum(marks) AS standing, sum(possible) AS possible_sessions, sum(attendance) AS attended
        FROM school_days GROUP BY session_date, urn
    ) AS d
    INNER JOIN
    (
        SELECT session_date, urn, sum(marks) AS standing, sum(possible) AS possible_sessions, sum(attendance) AS attended
        FROM school_days GROUP BY session_date, urn
    ) AS p ON p.urn = d.urn AND toDayOfWeek(p.session_date) = toDayOfWeek(d.session_date)
    WHERE p.session_date < d.session_date AND p.session_date >= d.session_date - 56
    GROUP BY d.session_date, d.urn
    HAVING earlier >= 3
) AS t
COMMENT 'A school''s attendance is 10 points or more from its own on the same weekday of the eight weeks before, or it has less than half or more than twice the marks. A source that broke looks like that, and so does a sick class. Look at quality_coverage and the school''s registers first; if it is true, nothing is to be done.';
