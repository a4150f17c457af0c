-- What a code counts as, as a published document: who published it, when and why, kept with its rows. Written by the reference loader
-- (streams/reference.py) from `reference.code-category.v1`; version 0 is the built-in document (sinks/seed.py). Categories are applied
-- when reading and stand in no derived row, so that a document changes every answer as soon as its rows are here.
ALTER TABLE code_category
    ADD COLUMN IF NOT EXISTS version UInt32 COMMENT 'Number of the publication; 0 is the built-in document',
    ADD COLUMN IF NOT EXISTS applies_from Date COMMENT 'First session date this row is used for; the first row of a code from ever on (rule 4)',
    ADD COLUMN IF NOT EXISTS published_at DateTime64(3, 'UTC'),
    ADD COLUMN IF NOT EXISTS author LowCardinality(String) COMMENT 'A role or a staff reference',
    ADD COLUMN IF NOT EXISTS reason String,
    MODIFY ORDER BY (canonical_code, valid_from, version);

ALTER TABLE code_category MODIFY COMMENT 'What codes count as, every version';

-- In force is the latest version that has the code, so that a code which a later Rollcall brings has its built-in category until a
-- document speaks of it. The versions are one constant, found once a statement: every view on marks reads this one, and what it adds to
-- the plan they pay for each time. Columns as in 0004.
CREATE OR REPLACE VIEW code_categories
(
    canonical_code LowCardinality(String) COMMENT 'National code',
    label          String COMMENT 'What it means',
    category       LowCardinality(String) COMMENT 'What it counts as',
    is_possible    Bool COMMENT 'In possible sessions',
    is_attendance  Bool COMMENT 'Counts as attendance (approved activity too)',
    absence_type   LowCardinality(String) COMMENT 'authorised, unauthorised or empty',
    is_late        Bool COMMENT 'L or U',
    applies_from   Date COMMENT 'First session date this row is used for; the first row of a code from ever on (rule 4)'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    (
        SELECT groupArray((l.canonical_code, l.latest))
        FROM (SELECT canonical_code, max(version) AS latest FROM code_category GROUP BY canonical_code) AS l
    ) AS in_force
SELECT
    canonical_code, label, category, in_possible_sessions AS is_possible, counts_as_attendance AS is_attendance, absence_type,
    canonical_code IN ('L', 'U') AS is_late, applies_from
FROM code_category FINAL
WHERE has(in_force, (canonical_code, version))
COMMENT 'What each code counts as, from a session date on. Rule 4: outside its dates a code keeps its last (or first) category';

CREATE VIEW code_category_versions
(
    version        UInt32 COMMENT 'Number of the publication, in one sequence with code_maps and source_rules; 0 is built in',
    is_latest      Bool COMMENT 'The version that figures follow',
    canonical_code LowCardinality(String) COMMENT 'National code',
    category       LowCardinality(String) COMMENT 'What it counts as',
    valid_from     Nullable(Date) COMMENT 'First session date; NULL: from ever on',
    valid_to       Nullable(Date) COMMENT 'Last session date, inclusive; NULL: still',
    label          String COMMENT 'What the code means',
    published_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'NULL: built in',
    author         LowCardinality(String) COMMENT 'A role or a staff reference',
    reason         String
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    c.version AS version, c.version = (SELECT max(version) FROM code_category) AS is_latest, c.canonical_code AS canonical_code,
    c.category AS category, nullIf(c.valid_from, toDate('1970-01-01')) AS valid_from, nullIf(c.valid_to, toDate('2149-06-06')) AS valid_to,
    c.label AS label, nullIf(c.published_at, toDateTime64(0, 3, 'UTC')) AS published_at, c.author AS author, c.reason AS reason
FROM code_category AS c FINAL
COMMENT 'What codes count as (rules 2 to 4), every published version, the built-in one among them';
