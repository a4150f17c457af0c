-- Who published a code map, and why, kept with its entries; and every version of the maps for analysts. A version that was applied
-- before this has neither.
ALTER TABLE code_map ADD COLUMN IF NOT EXISTS author LowCardinality(String) COMMENT 'A role or a staff reference; empty: applied by an older version of Rollcall';
ALTER TABLE code_map ADD COLUMN IF NOT EXISTS reason String;

CREATE VIEW code_maps
(
    scheme         LowCardinality(String) COMMENT 'Whose raw codes: national, or a dialect',
    version        UInt32 COMMENT 'Number of the publication, in one sequence with source_rules',
    is_latest      Bool COMMENT 'The version of its scheme that current marks follow',
    raw_code       LowCardinality(String) COMMENT 'As received',
    canonical_code LowCardinality(String) COMMENT 'National code; - is no mark',
    valid_from     Nullable(Date) COMMENT 'First session date; NULL: from ever on',
    valid_to       Nullable(Date) COMMENT 'Last session date, inclusive; NULL: still',
    published_at   DateTime64(3, 'UTC'),
    author         LowCardinality(String) COMMENT 'A role or a staff reference',
    reason         String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    m.scheme AS scheme, m.version AS version, m.version = l.latest AS is_latest, m.raw_code AS raw_code, m.canonical_code AS canonical_code,
    nullIf(m.valid_from, toDate('1970-01-01')) AS valid_from, nullIf(m.valid_to, toDate('2149-06-06')) AS valid_to,
    m.published_at AS published_at, m.author AS author, m.reason AS reason
FROM (SELECT * FROM code_map FINAL) AS m
INNER JOIN (SELECT scheme, max(version) AS latest FROM code_map GROUP BY scheme) AS l ON l.scheme = m.scheme
COMMENT 'Raw code to national code (rules 2 to 4), every published version';
