-- Session marks that stand of one source at one school, per pupil and code: of several records of a session the latest.
-- Read by sinks/held.py (`rollcall reconcile --source --by summary`).
SELECT pupil_id, code, count() AS marks, any(scheme) AS scheme, any(ref) AS ref
FROM
(
    SELECT
        pupil_id, session_date, session, argMax(record_code, latest) AS code, any(record_scheme) AS scheme, any(record_ref) AS ref
    FROM
    (
        SELECT
            pupil_id, session_date, session, record_id, max((version, offset, item)) AS latest,
            argMax(CAST(raw_code, 'String'), (version, offset, item)) AS record_code,
            anyIf(CAST(pupil_scheme, 'String'), NOT deleted) AS record_scheme, anyIf(pupil_ref, NOT deleted) AS record_ref
        FROM mark_event
        WHERE session_date BETWEEN {first:Date} AND {last:Date} AND urn = {urn:UInt32} AND source = {source:String}
          AND source_kind = 'mis' AND period = '' AND NOT superseded
        GROUP BY pupil_id, session_date, session, record_id
        HAVING NOT argMax(deleted, (version, offset, item))
    )
    GROUP BY pupil_id, session_date, session
)
GROUP BY pupil_id, code
