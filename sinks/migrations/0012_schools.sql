-- What GIAS says of a school beside the facts of 0003: when it opened and closed, and which schools it followed or made way for.
-- Written by the reference loader (streams/reference.py) from `reference.school.v1` version 2; read by analysts.

ALTER TABLE school
    ADD COLUMN IF NOT EXISTS source LowCardinality(String) COMMENT 'Who says so; empty when it does not say',
    ADD COLUMN IF NOT EXISTS establishment_number LowCardinality(String) COMMENT 'With la_code the LAESTAB',
    ADD COLUMN IF NOT EXISTS phase_of_education LowCardinality(String) COMMENT 'GIAS''s own words; phase is what rule 13 makes of them',
    ADD COLUMN IF NOT EXISTS establishment_status LowCardinality(String) COMMENT 'GIAS''s own words',
    ADD COLUMN IF NOT EXISTS trust_school_flag LowCardinality(String) COMMENT 'GIAS: what kind of trust supports the school',
    ADD COLUMN IF NOT EXISTS opened_on Date COMMENT '1970-01-01 when nobody says, or earlier than that',
    ADD COLUMN IF NOT EXISTS closed_on Date DEFAULT toDate('2149-06-06') COMMENT 'Last day; 2149-06-06 while open';

-- A version that says of a school that it has no links is one row whose linked_urn is 0.
CREATE TABLE school_link
(
    urn UInt32, taken_at DateTime64(3, 'UTC'), linked_urn UInt32 COMMENT '0: this version says that there is none',
    link_type LowCardinality(String) COMMENT 'As GIAS says it', linked_on Date COMMENT '1970-01-01 when nobody says'
)
ENGINE = ReplacingMergeTree ORDER BY (urn, taken_at, linked_urn, link_type)
COMMENT 'Links between schools, every version; in force for a school is the greatest taken_at';

CREATE OR REPLACE VIEW schools
(
    urn                UInt32 COMMENT 'GIAS URN',
    school_name        String,
    la_code            LowCardinality(String) COMMENT 'Local authority of the school',
    la_name            LowCardinality(String),
    region_code        LowCardinality(String),
    region_name        LowCardinality(String),
    trust_id           LowCardinality(String) COMMENT 'Empty: in no trust',
    trust_name         LowCardinality(String),
    establishment_type LowCardinality(String),
    phase              LowCardinality(String) COMMENT 'Rule 13',
    state_funded       Bool,
    in_headline        Bool COMMENT 'Rule 14, school part: state-funded primary, secondary or special',
    status             LowCardinality(String) COMMENT 'open, closed or proposed, as known now',
    valid_from         Date COMMENT 'First day of these facts',
    valid_to           Date COMMENT 'Last day of these facts; 2149-06-06 is open',
    establishment_number LowCardinality(String) COMMENT 'With la_code the LAESTAB',
    phase_of_education LowCardinality(String) COMMENT 'GIAS''s own words',
    establishment_status LowCardinality(String) COMMENT 'GIAS''s own words, as known now',
    trust_school_flag  LowCardinality(String) COMMENT 'GIAS: what kind of trust supports the school',
    opened_on          Date COMMENT '1970-01-01 when nobody says, or earlier than that',
    closed_on          Date COMMENT 'Last day of the school; 2149-06-06 while open'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    f.urn AS urn, f.name AS school_name, la_code, la_name, region_code, region_name, trust_id, trust_name, establishment_type,
    phase, state_funded, state_funded AND phase IN ('Primary', 'Secondary', 'Special') AS in_headline, status,
    f.valid_from AS valid_from, if(f.next_from = toDate('2149-06-06'), f.valid_to, least(f.valid_to, f.next_from - 1)) AS valid_to,
    establishment_number, phase_of_education, establishment_status, trust_school_flag, opened_on, closed_on
FROM
(
    SELECT *, leadInFrame(valid_from, 1, toDate('2149-06-06'))
        OVER (PARTITION BY urn ORDER BY valid_from ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_from
    FROM
    (
        SELECT *, max(taken_at) OVER (PARTITION BY urn ORDER BY valid_from ROWS UNBOUNDED PRECEDING) AS latest_so_far
        FROM (SELECT * FROM school FINAL ORDER BY taken_at DESC LIMIT 1 BY urn, valid_from)
    )
    WHERE taken_at = latest_so_far
) AS f
COMMENT 'Schools as they were: join on urn and the session date between valid_from and valid_to (rule 12)';

CREATE VIEW school_links
(
    urn        UInt32 COMMENT 'School',
    linked_urn UInt32 COMMENT 'The other school',
    link_type  LowCardinality(String) COMMENT 'What the other school is to this one, as GIAS says it',
    linked_on  Date COMMENT '1970-01-01 when nobody says'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT urn, linked_urn, link_type, linked_on
FROM school_link FINAL
WHERE linked_urn != 0 AND (urn, taken_at) IN (SELECT urn, max(taken_at) FROM school_link GROUP BY urn)
COMMENT 'Links between schools in force, as GIAS lists them: often once from each side';

-- Rule 12: a trend view may follow successors. `Result of Amalgamation` names a school that went into this one.
CREATE VIEW school_successions
(
    predecessor_urn  UInt32 COMMENT 'The school that made way',
    predecessor_name String COMMENT 'Empty when no such school is known',
    successor_urn    UInt32 COMMENT 'The school that followed',
    successor_name   String COMMENT 'Empty when no such school is known',
    kind             LowCardinality(String) COMMENT 'whole, amalgamated, merged or split',
    since            Date COMMENT '1970-01-01 when nobody says'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    pairs.predecessor AS predecessor_urn, any(before.school_name) AS predecessor_name,
    pairs.successor AS successor_urn, any(after.school_name) AS successor_name,
    argMax(pairs.kind, pairs.kind != 'whole') AS kind, max(pairs.linked_on) AS since
FROM
(
    SELECT
        if(startsWith(l.link_type, 'Successor'), l.urn, l.linked_urn) AS predecessor,
        if(startsWith(l.link_type, 'Successor'), l.linked_urn, l.urn) AS successor,
        multiIf(positionCaseInsensitive(l.link_type, 'amalgamat') > 0, 'amalgamated',
                positionCaseInsensitive(l.link_type, 'merged') > 0, 'merged',
                positionCaseInsensitive(l.link_type, 'split') > 0, 'split', 'whole') AS kind,
        l.linked_on AS linked_on
    FROM school_links AS l
    WHERE startsWith(l.link_type, 'Successor') OR startsWith(l.link_type, 'Predecessor') OR l.link_type = 'Result of Amalgamation'
) AS pairs
LEFT JOIN (SELECT urn, argMax(school_name, valid_from) AS school_name FROM schools GROUP BY urn) AS before ON before.urn = pairs.predecessor
LEFT JOIN (SELECT urn, argMax(school_name, valid_from) AS school_name FROM schools GROUP BY urn) AS after ON after.urn = pairs.successor
GROUP BY pairs.predecessor, pairs.successor
COMMENT 'Which school followed which, one row for each pair, whichever side GIAS lists it from';
