-- Two numbers for one child, or one for two: which pupil the marks of a pupil_id count for (design: "Aliases of pupils"). Written by the
-- reference loader (streams/reference.py) from `reference.pupil-alias.v1`; read by sinks/sql/derive_current.sql, which applies it. The
-- history is never changed: who follows a child through marks_history needs the views of this file. They hold our own numbers only; the
-- table, with authors and reasons, is not granted.
--
-- A message is all that is said of its pupil_id, kept under the number of its publication; one that says nothing more is a row with
-- to_pupil_id 0. Older versions stay: a pupil that marks once counted for is told when they do so no more.
CREATE TABLE pupil_alias
(
    pupil_id     UInt64 COMMENT 'Whose marks count for another',
    version      UInt32 COMMENT 'Number of the publication; the greatest of a pupil_id is in force',
    entry        UInt16 COMMENT 'Place in the message, from 0',
    urn          UInt32 COMMENT 'Marks of this school; 0: of every school',
    source       LowCardinality(String) COMMENT 'Marks of this system; empty: of any',
    valid_from   Date COMMENT 'First session date',
    valid_to     Date COMMENT 'Last session date, inclusive',
    to_pupil_id  UInt64 COMMENT 'Whom they count for; 0: nobody else',
    kind         LowCardinality(String) COMMENT 'merge, split or undo',
    author       LowCardinality(String) COMMENT 'A role or a staff reference',
    reason       String,
    published_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (pupil_id, version, entry)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Aliases of pupils, every version';

-- Which pupils have, or had, marks count for which others: whoever is derived needs the assertions of all that are linked to it.
CREATE VIEW pupil_alias_link
(
    pupil_id    UInt64 COMMENT 'Whose marks count, or once counted, for another',
    to_pupil_id UInt64 COMMENT 'That other'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT DISTINCT pupil_id, to_pupil_id FROM pupil_alias WHERE to_pupil_id != 0
COMMENT 'Pupils linked by an alias of any version: merged, split, or once so';

-- No chains: an alias to a pupil whose own marks count for another is not in force while that is so. Publishing one is refused; two
-- that were published at the same time, or are read in another order, come out the same by this.
CREATE VIEW pupil_alias_in_force
(
    pupil_id    UInt64 COMMENT 'Whose marks count for another',
    urn         UInt32 COMMENT 'Marks of this school; 0: of every school',
    source      LowCardinality(String) COMMENT 'Marks of this system; empty: of any',
    valid_from  Date COMMENT 'First session date',
    valid_to    Date COMMENT 'Last session date, inclusive',
    to_pupil_id UInt64 COMMENT 'Whom they count for',
    kind        LowCardinality(String) COMMENT 'merge or split',
    version     UInt32 COMMENT 'Number of the publication'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH latest AS
(
    SELECT * FROM pupil_alias FINAL
    WHERE to_pupil_id != 0 AND (pupil_id, version) IN (SELECT pupil_id, max(version) FROM pupil_alias GROUP BY pupil_id)
)
SELECT pupil_id, urn, source, valid_from, valid_to, to_pupil_id, kind, version FROM latest
WHERE to_pupil_id NOT IN (SELECT pupil_id FROM latest)
COMMENT 'Whose marks count for which other pupil: applied in marks_current and its counts, not in marks_history';
