-- Reference data, effective-dated and insert-only: each message of a reference topic is a whole version for its key,
-- kept under its taken_at. The version in force is named by reference_version. Written by streams/reference.py, read by the worker,
-- the reports and the analyst views. last_day and valid_to are inclusive; 2149-06-06 (the largest Date) stands for "open".

CREATE TABLE reference_version
(
    kind       LowCardinality(String) COMMENT 'school, roster, register, calendar, code-map',
    key        String COMMENT 'URN, or scheme of a code map',
    taken_at   DateTime64(3, 'UTC'),
    digest     UInt64 COMMENT 'Hash of the message value: the same again is no new version',
    topic_id   LowCardinality(String),
    partition  UInt16,
    offset     UInt64,
    applied_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY (kind, key, taken_at)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Versions of reference data applied; the one in force for a key is the greatest taken_at';

-- How far each partition of the reference topics has been applied: the worker waits for it before its first mark.
CREATE TABLE reference_position
(
    topic_id    LowCardinality(String),
    partition   UInt16,
    next_offset UInt64
)
ENGINE = ReplacingMergeTree(next_offset)
ORDER BY (topic_id, partition)
COMMENT 'How far the reference topics have been applied';

CREATE TABLE school
(
    urn UInt32, name String, la_code LowCardinality(String), la_name LowCardinality(String),
    region_code LowCardinality(String), region_name LowCardinality(String),
    trust_id LowCardinality(String), trust_name LowCardinality(String), establishment_type LowCardinality(String),
    phase LowCardinality(String) COMMENT 'Rule 13', state_funded Bool, status LowCardinality(String),
    valid_from Date, valid_to Date, taken_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree ORDER BY (urn, valid_from, taken_at)
COMMENT 'Schools, effective-dated';

-- (school, scheme, ref) -> pupil_id. A pair once given keeps its pupil_id.
CREATE TABLE crosswalk
(
    urn UInt32, scheme LowCardinality(String), ref String,
    pupil_id UInt64,
    valid_from Date, valid_to Date,
    upn_invalid Bool COMMENT 'Rule 5', upn_shared Bool COMMENT 'Rule 5', ambiguous Bool COMMENT 'The ref names more than one pupil of the school',
    updated_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(updated_at) ORDER BY (urn, scheme, ref)
COMMENT 'What sources call a pupil -> pupil_id; restricted';

CREATE TABLE enrolment
(
    urn UInt32, taken_at DateTime64(3, 'UTC'), pupil_id UInt64,
    first_day Date, last_day Date, status LowCardinality(String), year_group LowCardinality(String), age_31_august UInt8,
    boarder Bool, part_time Bool, in_scope Bool COMMENT 'Rule 14, pupil part: aged 5 to 15 at 31 August and year group R to 11 or none; the school part is phase and state_funded'
)
ENGINE = ReplacingMergeTree ORDER BY (urn, taken_at, pupil_id, first_day)
COMMENT 'Roster (rule 11), every version';

CREATE TABLE group_membership
(
    urn UInt32, taken_at DateTime64(3, 'UTC'), group_id LowCardinality(String), pupil_id UInt64, first_day Date, last_day Date
)
ENGINE = ReplacingMergeTree ORDER BY (urn, taken_at, group_id, pupil_id, first_day)
COMMENT 'Who is in which group, every version of the roster';

CREATE TABLE expected_register
(
    urn UInt32, taken_at DateTime64(3, 'UTC'), group_id LowCardinality(String), session LowCardinality(String), period LowCardinality(String),
    opens_at LowCardinality(String) COMMENT 'HH:MM, Europe/London', closes_at LowCardinality(String) COMMENT 'HH:MM, Europe/London',
    weekdays Array(UInt8), valid_from Date, valid_to Date
)
ENGINE = ReplacingMergeTree ORDER BY (urn, taken_at, group_id, session, period, valid_from)
COMMENT 'Registers a school expects: timetable versions';

CREATE TABLE calendar_term
(
    urn UInt32, taken_at DateTime64(3, 'UTC'), academic_year LowCardinality(String), name LowCardinality(String), first_day Date, last_day Date
)
ENGINE = ReplacingMergeTree ORDER BY (urn, taken_at, academic_year, first_day)
COMMENT 'Terms, every version of a calendar';

CREATE TABLE calendar_closure
(
    urn UInt32, taken_at DateTime64(3, 'UTC'), academic_year LowCardinality(String), first_day Date, last_day Date, reason LowCardinality(String)
)
ENGINE = ReplacingMergeTree ORDER BY (urn, taken_at, academic_year, first_day)
COMMENT 'Days within a term on which a school is closed, every version of a calendar';

CREATE TABLE code_map
(
    scheme LowCardinality(String), version UInt32, raw_code LowCardinality(String), canonical_code LowCardinality(String),
    valid_from Date, valid_to Date, published_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree ORDER BY (scheme, version, raw_code, valid_from)
COMMENT 'Raw code -> canonical code, every published version; in force for a scheme is the greatest version';

-- Categories are applied when reading (rule 4: outside its dates a code keeps its category).
CREATE TABLE code_category
(
    canonical_code LowCardinality(String), label String, category LowCardinality(String),
    in_possible_sessions Bool, counts_as_attendance Bool, absence_type LowCardinality(String) COMMENT 'authorised, unauthorised or empty',
    valid_from Date, valid_to Date, dfe_column String
)
ENGINE = ReplacingMergeTree ORDER BY (canonical_code, valid_from)
COMMENT 'The 39 codes and what they count as';

CREATE TABLE exception_kind
(
    bit UInt8, name LowCardinality(String), what String, when_it_matters String, how_to_resolve String
)
ENGINE = ReplacingMergeTree ORDER BY bit
COMMENT 'Findings about accepted marks: bit of mark_event.exceptions, and what to do';
