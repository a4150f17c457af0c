-- Pupil-sessions of a slice of days and schools of which something came after the instant, or that may hang on more than their own marks:
-- pupils whom an alias of any version names, schools that opened or closed within the days. All others stand as they stood. `sure`: nothing
-- of it came so lately that its counts may not be made yet, and nothing else than marks makes it another. Read by sinks/as_at_marks.py.
INSERT INTO as_at_later (key, session_date, urn, session, sure)
SELECT
    {key} AS key, session_date, urn, session,
    max(ingested_at) < {counted_until:DateTime64(3, 'UTC')} AND NOT max(other) AS sure
FROM
(
    SELECT
        session_date, urn, session, pupil_id, ingested_at,
        pupil_id IN (SELECT arrayJoin([pupil_id, to_pupil_id]) FROM {now}.pupil_alias)
        OR urn IN (SELECT urn FROM {now}.school WHERE opened_on > {first} OR closed_on < {last}) AS other
    FROM {now}.mark_event
    WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32} AND {schools}
      AND period = '' AND source_kind != 'kiosk'
    UNION ALL
    SELECT session_date, urn, session, pupil_id, ingested_at, false AS other
    FROM {now}.mark_reassertion
    WHERE period = '' AND session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32} AND {schools}
)
WHERE ingested_at > {at} OR other
GROUP BY session_date, urn, session, pupil_id
