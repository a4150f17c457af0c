-- What counts now of a pupil and session, statutory and live, for each of some numbers. `lesson_rules`: lesson_rule_names.sql. Read by sinks/mark_stories.py.
SELECT
    c.pupil_id AS pupil_id, c.is_mark AS is_mark, toString(c.source) AS source, toString(c.canonical_code) AS code, toString(c.raw_code) AS raw_code,
    c.sources AS sources, arrayMap(l -> (toString(l.1), toString(l.2), toString(l.3), toString(l.4), l.7, toString(l.8)), c.losers) AS lost,
    c.event_id AS event_id, toUInt64(bitShiftRight(c.derived_version, 64)) AS publication,
    if(c.source_kind = 'lesson', arrayFirst(r -> r.1 = c.urn AND c.session_date >= r.2 AND c.session_date <= r.3, {lesson_rules}).4, '') AS lesson_rule
FROM mark_current AS c FINAL
WHERE c.session_date = {day:Date} AND c.urn = {urn:UInt32} AND c.session = {session:String} AND c.pupil_id IN {pupils:Array(UInt64)}
