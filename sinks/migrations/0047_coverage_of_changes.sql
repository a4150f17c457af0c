-- A cut may ask a school what changed since the cut before (connectors/snapshots): the comments say what its row is of then. Else as in
-- 0008, read by the strike table, `rollcall snapshot` and analysts.

CREATE OR REPLACE VIEW snapshot_coverage
(
    snapshot     LowCardinality(String) COMMENT 'Name of the snapshot',
    cut          LowCardinality(String) COMMENT 'Time of day in London, HH:MM',
    session_date Date COMMENT 'The session date that was read (rule 8)',
    urn          UInt32 COMMENT 'School',
    source       LowCardinality(String) COMMENT 'The system pulled',
    pull_id      String,
    is_whole     Bool COMMENT 'Every page of the pull came, and every record of them could be read; the pull may be of what changed since the cut before',
    pages        UInt64 COMMENT 'Pages taken in',
    marks        UInt64 COMMENT 'Marks in them: of the whole day, or those that changed since the cut before',
    accepted     UInt64 COMMENT 'New or changed: rows of the history',
    unchanged    UInt64 COMMENT 'Said again as they stood: no row of the history',
    quarantined  UInt64 COMMENT 'Refused for now',
    taken_at     DateTime64(3, 'UTC') COMMENT 'When the pull began',
    known_at     DateTime64(3, 'UTC') COMMENT 'When Rollcall took the last page in',
    school_name  String,
    la_code      LowCardinality(String),
    la_name      LowCardinality(String),
    region_name  LowCardinality(String),
    trust_id     LowCardinality(String),
    trust_name   LowCardinality(String),
    phase        LowCardinality(String) COMMENT 'Rule 13'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    splitByChar('/', p.label)[1] AS snapshot, splitByChar('/', p.label)[2] AS cut, p.day AS session_date, p.urn AS urn,
    p.source AS source, p.pull AS pull_id, p.whole AS is_whole, p.pages AS pages, p.marks AS marks, p.accepted AS accepted,
    p.unchanged AS unchanged, p.quarantined AS quarantined, p.taken AS taken_at, p.known AS known_at,
    s.school_name AS school_name, s.la_code AS la_code, s.la_name AS la_name, s.region_name AS region_name,
    s.trust_id AS trust_id, s.trust_name AS trust_name, s.phase AS phase
FROM
(
    SELECT
        toString(r.snapshot) AS label, r.session_date AS day, r.urn AS urn, r.source AS source, r.submission_id AS pull,
        max(r.last_page) AND uniqExact(r.page) = max(r.page) + 1 AS whole, count() AS pages, sum(r.marks) AS marks,
        sum(r.accepted) AS accepted, sum(r.unchanged) AS unchanged, sum(r.quarantined) AS quarantined,
        min(r.asserted_at) AS taken, max(r.ingested_at) AS known
    FROM register_receipt AS r FINAL
    WHERE r.snapshot != ''
    GROUP BY label, day, urn, source, pull
    ORDER BY whole DESC, taken DESC
    LIMIT 1 BY label, day, urn, source
) AS p
ASOF LEFT JOIN schools AS s ON s.urn = p.urn AND s.valid_from <= p.day
COMMENT 'What each cut of a snapshot has brought in of each school, also where nothing had changed';
