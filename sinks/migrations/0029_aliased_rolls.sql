-- Two numbers of one child are one pupil on a roll and in a group. Where all marks of a pupil_id count for another (a merge), its enrolments
-- and memberships are that other's, but for those that the other has of its own at the same school and time. Else the child would be counted twice, and be missing
-- under the number that no mark counts for any more. An alias of some marks only (a system, some dates) leaves rolls as they are.

CREATE OR REPLACE VIEW roll
(
    urn           UInt32 COMMENT 'School',
    pupil_id      UInt64 COMMENT 'Surrogate; of a merged pupil the one that its marks count for',
    first_day     Date COMMENT 'Inclusive',
    last_day      Date COMMENT 'Inclusive; 2149-06-06 is open',
    status        LowCardinality(String) COMMENT 'main, subsidiary, guest or pre-admission',
    year_group    LowCardinality(String) COMMENT 'N1, N2, R, 1 to 13',
    age_31_august UInt8 COMMENT 'Years',
    boarder       Bool,
    part_time     Bool,
    in_scope      Bool COMMENT 'Rule 14, pupil part',
    never_missing Bool COMMENT 'Rule 15: boarder, part-time nursery or pre-admission',
    is_post_16    Bool COMMENT 'Rule 15: missing only where a register of one of the pupil''s groups is expected'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    in_force AS (SELECT toUInt32(key) AS urn, max(taken_at) AS taken_at FROM reference_version WHERE kind = 'roster' GROUP BY key),
    merged AS
    (
        SELECT pupil_id, max(to_pupil_id) AS to_pupil_id FROM pupil_alias_in_force
        WHERE urn = 0 AND source = '' AND valid_from <= '1970-01-01' AND valid_to >= '2149-06-06' GROUP BY pupil_id
    )
SELECT
    urn, pupil_id, first_day, last_day, status, year_group, age_31_august, boarder, part_time, in_scope,
    boarder OR status = 'pre-admission' OR (part_time AND year_group IN ('N1', 'N2')) AS never_missing,
    year_group IN ('12', '13', '14') OR age_31_august >= 16 AS is_post_16
FROM enrolment FINAL
WHERE (urn, taken_at) IN (SELECT urn, taken_at FROM in_force) AND pupil_id NOT IN (SELECT pupil_id FROM merged)
UNION ALL
SELECT
    e.urn, e.to_pupil_id, e.first_day, e.last_day, e.status, e.year_group, e.age_31_august, e.boarder, e.part_time, e.in_scope,
    e.boarder OR e.status = 'pre-admission' OR (e.part_time AND e.year_group IN ('N1', 'N2')),
    e.year_group IN ('12', '13', '14') OR e.age_31_august >= 16
FROM
(
    SELECT s.*, m.to_pupil_id AS to_pupil_id
    FROM (SELECT * FROM enrolment FINAL WHERE (urn, taken_at) IN (SELECT urn, taken_at FROM in_force)) AS s
    INNER JOIN merged AS m ON m.pupil_id = s.pupil_id
    WHERE (SELECT count() FROM pupil_alias) > 0
) AS e
LEFT JOIN
(
    SELECT urn, pupil_id, groupArray((first_day, last_day)) AS spells FROM enrolment FINAL
    WHERE (SELECT count() FROM pupil_alias) > 0 AND (urn, taken_at) IN (SELECT urn, taken_at FROM in_force)
        AND pupil_id IN (SELECT to_pupil_id FROM merged)
    GROUP BY urn, pupil_id
) AS own ON own.urn = e.urn AND own.pupil_id = e.to_pupil_id
WHERE NOT arrayExists(s -> s.1 <= e.last_day AND e.first_day <= s.2, own.spells)
COMMENT 'Enrolments by the roster in force (rule 11), merged pupils once';

CREATE OR REPLACE VIEW group_members
(
    urn       UInt32 COMMENT 'School',
    group_id  LowCardinality(String),
    pupil_id  UInt64 COMMENT 'Surrogate; of a merged pupil the one that its marks count for',
    first_day Date COMMENT 'Inclusive',
    last_day  Date COMMENT 'Inclusive; 2149-06-06 is open'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS
WITH
    in_force AS (SELECT toUInt32(key) AS urn, max(taken_at) AS taken_at FROM reference_version WHERE kind = 'roster' GROUP BY key),
    merged AS
    (
        SELECT pupil_id, max(to_pupil_id) AS to_pupil_id FROM pupil_alias_in_force
        WHERE urn = 0 AND source = '' AND valid_from <= '1970-01-01' AND valid_to >= '2149-06-06' GROUP BY pupil_id
    )
SELECT DISTINCT g.urn AS urn, g.group_id AS group_id, if(m.to_pupil_id = 0, g.pupil_id, m.to_pupil_id) AS pupil_id,
    g.first_day AS first_day, g.last_day AS last_day
FROM (SELECT * FROM group_membership WHERE (urn, taken_at) IN (SELECT urn, taken_at FROM in_force)) AS g
LEFT JOIN merged AS m ON m.pupil_id = g.pupil_id
COMMENT 'Who is in which group, by the roster in force, merged pupils once';
