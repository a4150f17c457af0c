-- Rule 7: where no mark of the session stands, the best mark of the lessons in the roll-call window, by the school's own rule. Asked only
-- where a school that is derived has, or once had, one: without it the statement is `current` alone. Read by sinks/derive.py, for derive,
-- verify, repair, the past and dry runs alike.
-- `current`: derive_current.sql. `counting`: the marks of lessons (period_current FINAL, restricted by the caller as the assertions
-- of `current` are), each with the pupil it counts for. `lesson_rules`: lesson_rules_in_force.sql.
--
--   within a lesson    as between sources in a session without a document: a definite code, then MIS, then the latest (period_marks)
--   between lessons    the best code of the rule; of equals the lesson that the window names first
--   against a session  what stands of the session goes before, whatever it says
--
-- A lesson outside the window stands for nothing, but is a witness: of dates on which any version of the school's rules held, a session
-- with lessons has a row, so that it is told when a rule holds no more. Bits of derived_version: derive_current.sql.
SELECT
    f.session_date AS session_date, f.urn AS urn, f.session AS session, f.pupil_id AS pupil_id,
    argMax(f.source, f.place) AS source,
    argMax(f.source_kind, f.place) AS source_kind,
    argMax(f.raw_code, f.place) AS raw_code,
    argMax(f.canonical_code, f.place) AS canonical_code,
    argMax(f.minutes_late, f.place) AS minutes_late,
    max(f.is_mark) AS is_mark,
    argMax(f.asserted_at, f.place) AS asserted_at,
    argMax(f.exceptions, f.place) AS exceptions,
    argMax(f.year_group, f.place) AS year_group,
    argMax(f.in_scope, f.place) AS in_scope,
    argMax(f.sources, f.place) AS sources,
    argMax(f.disagree, f.place) AS disagree,
    argMax(f.losers, f.place) AS losers,
    argMax(f.event_id, f.place) AS event_id,
    bitOr(
        sum(f.derived_version),
        bitOr(bitShiftLeft(toUInt128({publication}), 64), toUInt128(bitShiftLeft(toUInt64(1), 63)))
    ) AS derived_version
FROM
(
    SELECT
        session_date, urn, session, pupil_id, source,
        CAST(source_kind, 'Enum8(\'register\' = 1, \'mis\' = 2, \'kiosk\' = 3, \'lesson\' = 4)') AS source_kind, raw_code, canonical_code,
        minutes_late, is_mark, asserted_at, exceptions, year_group, in_scope, sources, disagree, losers, event_id, derived_version,
        toUInt8(is_mark) * 2 + 1 AS place
    FROM ({current})
    UNION ALL
    SELECT
        session_date, urn, session, pupil_id, best.1,
        CAST('lesson', 'Enum8(\'register\' = 1, \'mis\' = 2, \'kiosk\' = 3, \'lesson\' = 4)'), best.2, best.3,
        best.4, stands, best.5, best.6, best.7, best.8, toUInt8(stands), false, [], best.9, toUInt128(seen),
        toUInt8(stands) * 2
    FROM
    (
        SELECT
            l.session_date AS session_date, l.urn AS urn, l.session AS session, l.pupil_id AS pupil_id,
            argMax(l.mark, (
                l.stands, -if(has(l.codes, l.mark.3), indexOf(l.codes, l.mark.3), 65535), -indexOf(l.lessons, l.period), l.place, l.period)) AS best,
            max(l.stands) AS stands, sum(l.seen) AS seen
        FROM
        (
            SELECT
                session_date, urn, session, pupil_id, toString(s.period) AS period, any(s.codes) AS codes, any(s.lessons) AS lessons,
                argMax(s.mark, (s.stands, s.mark.3 NOT IN ('N', ''), s.kind = 'mis', s.place)) AS mark,
                max(s.stands) AS stands, max((s.stands, s.place)) AS place, sum(s.seen) AS seen
            FROM
            (
                SELECT
                    session_date, urn, session, pupil_id, period, source, any(r.kind) AS kind, any(r.codes) AS codes, any(r.lessons) AS lessons,
                    argMax(r.mark, r.place) AS mark, max(r.standing) AS stands, max(r.place) AS place, sum(r.witness) AS seen
                FROM
                (
                    SELECT
                        a.session_date AS session_date, a.urn AS urn, a.session AS session, a.pupil AS pupil_id, a.period AS period,
                        a.source AS source, a.source_kind AS kind,
                        (a.source, a.raw_code, m.canonical_code, a.minutes_late, a.asserted_at, a.exceptions, a.year_group, a.in_scope, a.event_id) AS mark,
                        arrayFirst(rule -> a.session_date >= rule.1 AND a.session_date <= rule.2, w.rules) AS holds,
                        if(a.session = 'AM', holds.3, holds.4) AS lessons, holds.5 AS codes,
                        a.counts AND NOT a.deleted AND m.canonical_code != '-' AND has(lessons, toString(a.period)) AS standing,
                        (standing, bitShiftRight(a.version, 20), halfMD5(concat(a.source, '\n', a.record_id)), a.pupil_id) AS place,
                        toUInt64(toUnixTimestamp64Milli(a.ingested_at) - 1767225600000) AS witness
                    FROM
                    (
                        {counting}
                    ) AS a
                    INNER JOIN {lesson_rules} AS w ON w.urn = a.urn
                    LEFT JOIN {code_map} AS m
                        ON a.code_scheme = m.scheme AND a.raw_code = m.raw_code
                        AND a.session_date >= m.valid_from AND a.session_date <= m.valid_to
                    WHERE arrayExists(span -> a.session_date >= span.1 AND a.session_date <= span.2, w.spans)
                ) AS r
                GROUP BY session_date, urn, session, pupil_id, period, source
            ) AS s
            GROUP BY session_date, urn, session, pupil_id, period
        ) AS l
        GROUP BY session_date, urn, session, pupil_id
    )
) AS f
GROUP BY f.session_date, f.urn, f.session, f.pupil_id
