-- Entries of quarantine with their stories. One entry is one story: what a replay was refused for again stands in quarantine too,
-- because the replay is a message whose marks must add up, but it is no entry of its own.

CREATE VIEW quarantine_stories
(
    reason          LowCardinality(String) COMMENT 'Why it could not be placed when it was last judged',
    urn             UInt32 COMMENT '0 when unreadable',
    source          LowCardinality(String),
    session_date    Date COMMENT '1970-01-01 when unreadable',
    session         LowCardinality(String),
    detail          String COMMENT 'What is wrong and where',
    topic           LowCardinality(String),
    topic_id        LowCardinality(String) COMMENT 'UUID of the topic',
    partition       UInt16,
    offset          UInt64,
    item            Int32 COMMENT 'Mark of the message; -1 is the whole message',
    schema_id       UInt32,
    ingested_at     DateTime64(3, 'UTC') COMMENT 'When it was first refused',
    first_reason    LowCardinality(String) COMMENT 'Why it was first refused',
    state           LowCardinality(String) COMMENT 'open, taken (accepted or unchanged since) or discarded',
    attempts        UInt64 COMMENT 'How often a replay of it was judged',
    last_attempt_at DateTime64(3, 'UTC') COMMENT '1970-01-01 before the first',
    sent_at         DateTime64(3, 'UTC') COMMENT 'A replay is on its way since then; 1970-01-01 when none is',
    reference_at    DateTime64(6, 'UTC') COMMENT 'Newest reference data known when it was last judged'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    if(a.reason = '', q.reason, a.reason) AS reason, q.urn AS urn, q.source AS source, q.session_date AS session_date, q.session AS session,
    if(a.reason = '', q.detail, a.detail) AS detail, q.topic AS topic, q.topic_id AS topic_id, q.partition AS partition, q.offset AS offset,
    q.item AS item, q.schema_id AS schema_id, q.ingested_at AS ingested_at, q.reason AS first_reason,
    multiIf(t.taken, 'taken', t.discarded, 'discarded', 'open') AS state,
    t.attempts AS attempts, t.judged_at AS last_attempt_at, t.on_its_way AS sent_at,
    greatest(q.reference_at, t.known) AS reference_at
FROM
(
    SELECT * FROM quarantine FINAL
    WHERE (topic_id, partition, offset, item) NOT IN
        (SELECT replayed_topic_id, replayed_partition, replayed_offset, replayed_item FROM quarantine_trail WHERE what = 'judged')
) AS q
LEFT JOIN
(
    SELECT
        r.topic_id AS topic_id, r.partition AS partition, r.offset AS offset, r.item AS item,
        max(r.taken) AS taken, max(r.discarded) AS discarded, sum(r.judged) AS attempts, max(r.judged_at) AS judged_at,
        maxIf(r.sent_at, NOT r.judged) AS on_its_way, max(r.known) AS known,
        argMaxIf((r.replay, r.replayed_item), (r.judged_at, r.replay), r.judged AND NOT r.taken) AS latest
    FROM
    (
        SELECT
            topic_id, partition, offset, item, (replayed_topic_id, replayed_partition, replayed_offset) AS replay,
            maxIf(replayed_item, what = 'judged') AS replayed_item, max(outcome IN ('unchanged', 'accepted')) AS taken,
            max(what = 'discarded') AS discarded, max(what = 'judged') AS judged, maxIf(at, what = 'judged') AS judged_at,
            maxIf(at, what = 'sent') AS sent_at, max(reference_at) AS known
        FROM quarantine_trail FINAL
        GROUP BY topic_id, partition, offset, item, replay
    ) AS r
    GROUP BY topic_id, partition, offset, item
) AS t ON t.topic_id = q.topic_id AND t.partition = q.partition AND t.offset = q.offset AND t.item = q.item
LEFT JOIN
(
    SELECT (((topic_id, partition, offset), item)) AS place, reason, detail FROM quarantine FINAL
    WHERE (topic_id, partition, offset, item) IN
        (SELECT replayed_topic_id, replayed_partition, replayed_offset, replayed_item FROM quarantine_trail WHERE what = 'judged')
) AS a ON a.place = t.latest
COMMENT 'Everything that was refused, once each, and how it stands by its own story; without a look at the history';

-- A mark may stand in the history as well, when a writer that had been replaced refused it: then the history counts.
CREATE VIEW quarantine_entries
(
    reason          LowCardinality(String) COMMENT 'Why it could not be placed when it was last judged',
    urn             UInt32 COMMENT '0 when unreadable',
    source          LowCardinality(String),
    session_date    Date COMMENT '1970-01-01 when unreadable',
    session         LowCardinality(String),
    detail          String COMMENT 'What is wrong and where',
    topic           LowCardinality(String),
    topic_id        LowCardinality(String) COMMENT 'UUID of the topic',
    partition       UInt16,
    offset          UInt64,
    item            Int32 COMMENT 'Mark of the message; -1 is the whole message',
    schema_id       UInt32,
    ingested_at     DateTime64(3, 'UTC') COMMENT 'When it was first refused',
    first_reason    LowCardinality(String) COMMENT 'Why it was first refused',
    state           LowCardinality(String) COMMENT 'open, taken (accepted or unchanged since) or discarded',
    attempts        UInt64 COMMENT 'How often a replay of it was judged',
    last_attempt_at DateTime64(3, 'UTC') COMMENT '1970-01-01 before the first',
    sent_at         DateTime64(3, 'UTC') COMMENT 'A replay is on its way since then; 1970-01-01 when none is',
    reference_at    DateTime64(6, 'UTC') COMMENT 'Newest reference data known when it was last judged'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    s.reason AS reason, s.urn AS urn, s.source AS source, s.session_date AS session_date, s.session AS session, s.detail AS detail,
    s.topic AS topic, s.topic_id AS topic_id, s.partition AS partition, s.offset AS offset, s.item AS item, s.schema_id AS schema_id,
    s.ingested_at AS ingested_at, s.first_reason AS first_reason,
    if((s.topic_id, s.partition, s.offset, toInt64(s.item)) IN
        (
            SELECT topic_id, partition, offset, toInt64(item) FROM mark_event
            WHERE (session_date, urn) IN (SELECT session_date, urn FROM quarantine)
        ), 'taken', s.state) AS state,
    s.attempts AS attempts, s.last_attempt_at AS last_attempt_at, s.sent_at AS sent_at, s.reference_at AS reference_at
FROM quarantine_stories AS s
COMMENT 'Everything that was refused, once each, and how it stands: open, taken since, or discarded';

CREATE OR REPLACE VIEW quarantine_open
(
    reason          LowCardinality(String) COMMENT 'Why it could not be placed when it was last judged',
    urn             UInt32 COMMENT '0 when unreadable',
    source          LowCardinality(String),
    session_date    Date COMMENT '1970-01-01 when unreadable',
    session         LowCardinality(String),
    detail          String COMMENT 'What is wrong and where',
    topic           LowCardinality(String),
    topic_id        LowCardinality(String) COMMENT 'UUID of the topic',
    partition       UInt16,
    offset          UInt64,
    item            Int32 COMMENT 'Mark of the message; -1 is the whole message',
    schema_id       UInt32,
    ingested_at     DateTime64(3, 'UTC') COMMENT 'When it was first refused',
    attempts        UInt64 COMMENT 'How often a replay of it was judged, and refused again',
    last_attempt_at DateTime64(3, 'UTC') COMMENT '1970-01-01 before the first',
    sent_at         DateTime64(3, 'UTC') COMMENT 'A replay is on its way since then; 1970-01-01 when none is',
    what            String COMMENT 'What it is',
    when_it_matters String COMMENT 'When it matters',
    how_to_resolve  String COMMENT 'How to resolve it'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    e.reason AS reason, e.urn AS urn, e.source AS source, e.session_date AS session_date, e.session AS session,
    e.detail AS detail, e.topic AS topic, e.topic_id AS topic_id, e.partition AS partition, e.offset AS offset, e.item AS item,
    e.schema_id AS schema_id, e.ingested_at AS ingested_at, e.attempts AS attempts, e.last_attempt_at AS last_attempt_at,
    e.sent_at AS sent_at, k.what AS what, k.when_it_matters AS when_it_matters, k.how_to_resolve AS how_to_resolve
FROM quarantine_entries AS e
LEFT JOIN (SELECT * FROM quarantine_kind FINAL) AS k ON k.name = e.reason
WHERE e.state = 'open'
COMMENT 'What is refused for now, with the reason. A mark that stands in the history is not, nor what was discarded';

CREATE VIEW quarantine_attempts
(
    topic_id           LowCardinality(String) COMMENT 'First delivery: UUID of the topic',
    partition          UInt16,
    offset             UInt64,
    item               Int32 COMMENT '-1: the whole message',
    what               LowCardinality(String) COMMENT 'sent, judged or discarded',
    at                 DateTime64(3, 'UTC'),
    run                String COMMENT 'Which run of replay, healing or discard',
    by                 LowCardinality(String) COMMENT 'Who: a role or a staff reference, or healing',
    outcome            LowCardinality(String) COMMENT 'Of a judgement: accepted, unchanged, or the reason why it was refused again',
    why                String COMMENT 'Of a discard: its reason in words',
    replayed_partition UInt16 COMMENT 'Where the replay stands in Kafka',
    replayed_offset    UInt64
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    t.topic_id AS topic_id, t.partition AS partition, t.offset AS offset, t.item AS item, toString(t.what) AS what, t.at AS at,
    t.run AS run, t.by AS by, if(t.outcome = 'refused', toString(q.reason), toString(t.outcome)) AS outcome, t.why AS why,
    t.replayed_partition AS replayed_partition, t.replayed_offset AS replayed_offset
FROM (SELECT * FROM quarantine_trail FINAL) AS t
LEFT JOIN
(
    SELECT topic_id, partition, offset, item, reason FROM quarantine FINAL
    WHERE (topic_id, partition, offset, item) IN
        (SELECT replayed_topic_id, replayed_partition, replayed_offset, replayed_item FROM quarantine_trail WHERE outcome = 'refused')
) AS q ON q.topic_id = t.replayed_topic_id AND q.partition = t.replayed_partition AND q.offset = t.replayed_offset
    AND q.item = t.replayed_item
COMMENT 'The story of each entry of quarantine: when it was sent again, judged again or discarded, by whom, with what outcome';
