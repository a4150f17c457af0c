-- The rule, once: which assertion is the mark that counts, per pupil and session (rules 3 and 17).
-- Read by sinks/derive.py (into mark_current, for touched keys), sinks/verify.py (rebuilt from the whole history),
-- sinks/source_rules.py and sinks/code_maps.py (what a document of rules, or a code map, would change).
-- `assertions`: the latest mark of each record of each source, one row each: mark_assertion FINAL, restricted by its caller.
-- `choosing`: the rules between sources that hold, as two functions: the precedence of a mark, and the least of the rules a mark meets
-- that outranks a precedence (derive_by_rules.sql, or derive_by_general_rules.sql where all are general).
-- `code_map`: what raw codes mean, a row for each code and span of dates (code_map_in_force.sql).
--
--   within a record   the latest version (done by `assertions`)
--   within a source   what is deleted or withdrawn ('-', rule 3) does not stand; of the rest the latest
--   between sources   the greatest precedence, which is the greatest of the rules that a mark meets; then the latest
--
-- Unless a document was published: a definite code before N or an unmapped one, then MIS before register, then the latest.
--
-- This is the statutory basis (rule 17): registers and MIS only. Evidence of kiosks stands in mark_assertion, and no figure
-- of mark_current or school_session has seen it, not even as a witness of derived_version.
--
-- An order is one UInt128, greatest first: stands (1 bit), precedence (16), asserted_at in ms (44), definite (1), hash of source and
-- record id, and of the pupil a mark came for where it counts for another (62). Two records, or two numbers of one child, of one
-- millisecond are told apart by what they are, never by the offset in their version: that depends on whether a repeat was suppressed.
-- As a tuple it cost five times the CPU.
--
-- Losers are the other sources' marks that stand and say another code, each with the rule that left it out (rule 17): the least of
-- the winner's rules that outranks it, 'latest' where none does.
--
-- `counting`: the assertions, each with the pupil it counts for (derive_own.sql, or derive_linked.sql where aliases may concern them).
--
-- The canonical code is that of the map in force now, not of arrival. derived_version grows with what the row has seen:
-- every assertion that is added or replaced raises the sum, a publication of a map, of rules or of aliases raises the high bits
-- (`publication`: read before this, so that a row never claims to have seen one that it may have missed). Bit 63 says
-- that the rule was asked: such a row stands before one that came alone (sinks/migrations/0015_alone.sql).
WITH
    {choosing}
SELECT
    session_date, urn, session, pupil_id,
    argMax(s.source, s.rank) AS source,
    argMax(s.kind, s.rank) AS source_kind,
    argMax(s.raw, s.rank) AS raw_code,
    argMax(s.canonical, s.rank) AS canonical_code,
    argMax(s.minutes, s.rank) AS minutes_late,
    max(s.stands) AS is_mark,
    argMax(s.asserted, s.rank) AS asserted_at,
    argMax(s.findings, s.rank) AS exceptions,
    argMax(s.year, s.rank) AS year_group,
    argMax(s.scope, s.rank) AS in_scope,
    toUInt8(least(sum(s.stands), 255)) AS sources,
    maxIf(s.canonical, s.stands) != minIf(s.canonical, s.stands) AS disagree,
    arrayMap(
        l -> (l.1, toString(l.2), l.3, l.4, l.5, l.6, l.7,
            multiIf((outranked_by(l.8, urn, session_date, source, toUInt8(source_kind), canonical_code) AS why) = '', 'latest', why)),
        if(disagree, arrayFilter(l -> l.4 != canonical_code, arraySort(l -> l.1, groupArrayIf(
            (s.source, s.kind, s.raw, s.canonical, s.minutes, s.asserted, s.event, s.precedence), s.stands))), [])
    ) AS losers,
    argMax(s.event, s.rank) AS event_id,
    bitOr(
        bitShiftLeft(toUInt128({publication}), 64),
        toUInt128(bitOr(sum(s.seen), bitShiftLeft(toUInt64(1), 63)))
    ) AS derived_version
FROM
(
    SELECT
        session_date, urn, session, pupil_id, source,
        any(r.kind) AS kind,
        argMax(r.raw, r.latest) AS raw,
        argMax(r.canonical, r.latest) AS canonical,
        argMax(r.minutes, r.latest) AS minutes,
        argMax(r.asserted, r.latest) AS asserted,
        argMax(r.findings, r.latest) AS findings,
        argMax(r.year, r.latest) AS year,
        argMax(r.scope, r.latest) AS scope,
        argMax(r.event, r.latest) AS event,
        max(r.standing) AS stands,
        sum(r.witness) AS seen,
        precedence_of(urn, session_date, source, toUInt8(kind), canonical) AS precedence,
        bitOr(max(r.latest), bitShiftLeft(toUInt128(precedence), 107)) AS rank
    FROM
    (
        SELECT
            a.session_date AS session_date, a.urn AS urn, a.session AS session, a.pupil AS pupil_id, a.source AS source,
            a.source_kind AS kind, a.raw_code AS raw, m.canonical_code AS canonical, a.minutes_late AS minutes,
            a.asserted_at AS asserted, a.exceptions AS findings, a.year_group AS year, a.in_scope AS scope, a.event_id AS event,
            a.counts AND NOT a.deleted AND m.canonical_code != '-' AS standing,
            bitOr(
                bitOr(bitShiftLeft(toUInt128(standing), 127), bitShiftLeft(toUInt128(bitShiftRight(a.version, 20)), 63)),
                toUInt128(bitOr(bitShiftLeft(toUInt64(m.canonical_code NOT IN ('N', '')), 62), bitShiftRight(bitXor(
                    halfMD5(concat(a.source, '\n', a.record_id)), if(a.pupil = a.pupil_id, 0, intHash64(a.pupil_id))), 2)))
            ) AS latest,
            toUInt64(toUnixTimestamp64Milli(a.ingested_at) - 1767225600000) AS witness
        FROM
        (
            {counting}
        ) AS a
        LEFT JOIN {code_map} AS m
            ON a.code_scheme = m.scheme AND a.raw_code = m.raw_code
            AND a.session_date >= m.valid_from AND a.session_date <= m.valid_to
    ) AS r
    GROUP BY session_date, urn, session, pupil_id, source
) AS s
GROUP BY session_date, urn, session, pupil_id
