-- What two instants of knowledge say differently about one session date: marks by school, source, session and code.
-- Read by sinks/snapshots.py for `rollcall snapshot diff`, of the schools and sources that gave a page to either cut.
--
-- Known at an instant is what was taken in by then (ingested_at, which no later event moves: rule 9). Of it, by the rules of
-- derive_current.sql: nothing of a day on which the URN was not open (rule 12); within a record the latest version; within a source what is deleted or withdrawn ('-', rule 3) does not
-- stand, of the rest the latest. So a mark here is what one source asserts of a pupil and session; sources are not weighed.
--
-- A code is the national one by the map in force on arrival; one that no map knew is '?' and the code as received (rule 2). ''
-- means that nothing stood: '' -> code is new, code -> '' withdrawn. Minutes late and who said it are not compared.
SELECT urn, toString(source) AS source, toString(session) AS session, before, after, count() AS marks
FROM
(
    SELECT
        urn, source, session, pupil_id,
        argMaxIf(code_a, place_a, stands_a) AS before,
        argMaxIf(code_b, place_b, stands_b) AS after
    FROM
    (
        SELECT
            urn, source, session, pupil_id, record_id,
            argMaxIf(code, version, known_from <= {known_a:DateTime64(3, 'UTC')}) AS code_a,
            argMaxIf(code, version, known_from <= {known_b:DateTime64(3, 'UTC')}) AS code_b,
            (maxIf(version, known_from <= {known_a:DateTime64(3, 'UTC')}), cityHash64(record_id)) AS place_a,
            (maxIf(version, known_from <= {known_b:DateTime64(3, 'UTC')}), cityHash64(record_id)) AS place_b,
            code_a NOT IN ('', '-') AS stands_a,
            code_b NOT IN ('', '-') AS stands_b
        FROM
        (
            SELECT
                urn, source, session, pupil_id, record_id, version, ingested_at AS known_from,
                multiIf(deleted, '-', canonical_code = '', concat('?', raw_code), toString(canonical_code)) AS code
            FROM mark_event
            WHERE session_date = {day:Date} AND period = '' AND NOT superseded
              AND urn NOT IN (SELECT urn FROM school_life FINAL WHERE NOT {day:Date} BETWEEN opened_on AND closed_on)
              AND (urn, source) IN
              (
                  SELECT urn, source FROM register_receipt WHERE snapshot IN ({label_a:String}, {label_b:String})
              )
        )
        GROUP BY urn, source, session, pupil_id, record_id
    )
    GROUP BY urn, source, session, pupil_id
)
WHERE before != after
GROUP BY urn, source, session, before, after
ORDER BY urn, source, session, before, after
