-- Keys of schools whose messages of the last day stand in several partitions: several workers may each have taken a mark of theirs for the
-- first. What has several assertions and was not derived by the rule is put on the work list. Read by sinks/derive.py.
INSERT INTO touched (batch, session_date, urn, session, pupil_id)
SELECT {batch:UInt64}, session_date, urn, session, pupil_id
FROM mark_assertion
WHERE source_kind != 'kiosk' AND (urn, session_date) IN
(
    SELECT urn, session_date FROM mark_assertion
    WHERE source_kind != 'kiosk' AND ingested_at > now() - INTERVAL 1 DAY AND urn IN
    (
        SELECT urn FROM register_receipt
        WHERE source_kind != 'kiosk' AND produced_at > now() - INTERVAL 1 DAY
        GROUP BY urn
        HAVING uniqExact(partition) > 1
    )
)
GROUP BY session_date, urn, session, pupil_id
HAVING count() > 1 AND (session_date, urn, session, pupil_id) NOT IN
(
    SELECT session_date, urn, session, pupil_id FROM mark_current
    WHERE bitTest(toUInt64(derived_version), 63) AND urn IN
    (
        SELECT urn FROM register_receipt
        WHERE source_kind != 'kiosk' AND produced_at > now() - INTERVAL 1 DAY
        GROUP BY urn
        HAVING uniqExact(partition) > 1
    )
)
