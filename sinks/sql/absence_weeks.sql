-- What absence_pupils.sql gives, out of packed weeks (pupil_week, whose comment says what a bit is): a condition is asked once a school,
-- code or week instead of of every mark. A part of absence_enrolments.sql; read by sinks/absence.py. Basis: statutory.
-- Parameters as in absence_sessions.sql, and stale: (urn, Monday) of weeks that are read from the marks (weeks_stale.sql).
-- Filled in: packed, weeks_packed.sql, or weeks_none.sql; begun, absence_begun.sql; of_authorities, of_authorities.sql. counted: the sessions that count of a school's week. meaning: those in
-- which a code is possible, and absence. bound: those for which a pupil was on roll, of weeks in which it was not throughout. It is
-- joined late, to what is summed by pupil; of those alone whom any version of a roster may bind their entries are kept until then, each
-- as week, sessions, possible and absent ones, of 16 bits.
-- Days are compared as week << 16 | sessions: the greatest has the last session of all, as the least does of lowest bits.
SELECT
    urn, pupil_id, min(toDate(bitShiftRight(oldest, 16)) + intDiv(toUInt8(log2(bitAnd(oldest, 65535))), 2)) AS first_day,
    max(toDate(bitShiftRight(newest, 16)) + intDiv(toUInt8(log2(bitAnd(newest, 65535))), 2)) AS last_day,
    argMax(year, newest) AS year_group, sum(possible_sessions) AS possible, sum(absent_sessions) AS absent
FROM
(
    SELECT
        t.urn AS urn, t.pupil_id AS pupil_id, t.kept != 0 AS is_kept, if(b.is_bound, b.on_roll, toUInt16(16383)) AS on_roll,
        toUInt16(bitAnd(bitShiftRight(t.kept, 32), on_roll)) AS standing, bitShiftLeft(toUInt32(t.week), 16) AS since,
        if(is_kept, t.kept_year, t.last_year) AS year,
        if(is_kept, bitOr(since, toUInt32(bitAnd(standing, -standing))), t.oldest) AS oldest,
        if(is_kept, bitOr(since, toUInt32(standing)), t.newest) AS newest,
        if(is_kept, bitCount(toUInt16(bitAnd(bitShiftRight(t.kept, 16), on_roll))), t.possible) AS possible_sessions,
        if(is_kept, bitCount(toUInt16(bitAnd(t.kept, on_roll))), t.absent) AS absent_sessions
    FROM
    (
        SELECT urn, pupil_id, oldest, newest, last_year, possible, absent, kept, kept_year, toUInt16(bitShiftRight(kept, 48)) AS week
        FROM
        (
            SELECT
                urn, pupil_id, min(bitOr(since, toUInt32(bitAnd(marked, -marked)))) AS oldest, max(bitOr(since, toUInt32(marked))) AS newest,
                argMax(year_group, bitOr(since, toUInt32(marked))) AS last_year,
                sum(bitCount(bitAnd(marked, possible_then))) AS possible, sum(bitCount(bitAnd(marked, absent_then))) AS absent,
                groupArrayIf(
                    bitOr(bitShiftLeft(bitOr(toUInt64(since), toUInt64(marked)), 32),
                        bitOr(bitShiftLeft(toUInt64(bitAnd(marked, possible_then)), 16), toUInt64(bitAnd(marked, absent_then)))),
                    may_be_bound) AS entries,
                groupArrayIf(year_group, may_be_bound) AS years
            FROM
            (
                SELECT
                    urn, year_group, since, possible_then, absent_then, pupil AS pupil_id, bitAnd(marked_in, counted) AS marked,
                    pupil IN
                    (
                        SELECT pupil_id FROM enrolment
                        WHERE (first_day > {first:Date} OR last_day < {last:Date} OR status = 'pre-admission')
                          AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
                          AND {of_authorities}
                        UNION DISTINCT
                        SELECT to_pupil_id FROM pupil_alias
                    ) AS may_be_bound
                FROM
                (
                    SELECT
                        p.urn AS urn, p.year_group AS year_group, bitShiftLeft(toUInt32(toUInt16(p.week)), 16) AS since, c.counted AS counted,
                        m.possible_then AS possible_then, m.absent_then AS absent_then, p.pupils AS pupils, p.marked_by AS marked_by
                    FROM
                    (
                        SELECT urn, week, in_scope, year_group, canonical_code, pupils, marked_by
                        FROM
                        (
                            SELECT urn, week, in_scope, year_group, canonical_code, pupil_id, sessions FROM pupil_week FINAL
                            WHERE week BETWEEN toMonday({first:Date}) AND {last:Date} AND (urn, week) NOT IN {stale:Array(Tuple(UInt32, Date))}
                              AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
                              AND {of_authorities}
                        )
                        ARRAY JOIN in_scope AS in_scope, year_group AS year_group, canonical_code AS canonical_code, pupil_id AS pupils, sessions AS marked_by
                        UNION ALL
                        SELECT urn, week, in_scope, year_group, canonical_code, pupils, marked_by FROM ({packed})
                    ) AS p
                    INNER JOIN
                    (
                        SELECT
                            d.urn AS urn, toMonday(d.day) AS week,
                            groupBitOr(bitShiftLeft(toUInt16(if(d.day < {today:Date}, 3, b.begun)), 2 * (d.day - toMonday(d.day)))) AS counted
                        FROM
                        (
                            SELECT urn, {first:Date} + number AS day
                            FROM
                            (
                                SELECT DISTINCT urn FROM pupil_week
                                WHERE (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
                                  AND {of_authorities}
                                UNION DISTINCT
                                SELECT DISTINCT arrayJoin({stale:Array(Tuple(UInt32, Date))}).1
                            )
                            ARRAY JOIN range(toUInt32(greatest(0, toInt32({last:Date} - {first:Date}) + 1))) AS number
                            WHERE day <= {today:Date} AND day NOT IN {excluded:Array(Date)}
                        ) AS d
                        ASOF LEFT JOIN schools AS s ON s.urn = d.urn AND s.valid_from <= d.day
                        LEFT JOIN ({begun}) AS b ON b.urn = d.urn
                        WHERE ((s.in_headline AND d.day <= s.valid_to) OR {headline:UInt8} = 0)
                          AND (empty({excluded_places:Array(Tuple(String, Date))})
                               OR (NOT has({excluded_places:Array(Tuple(String, Date))}, (toString(s.region_code), d.day))
                                   AND NOT has({excluded_places:Array(Tuple(String, Date))}, (toString(s.la_code), d.day))))
                        GROUP BY urn, week
                    ) AS c ON c.urn = p.urn AND c.week = p.week
                    LEFT JOIN
                    (
                        SELECT
                            d.canonical_code AS canonical_code, toMonday(d.day) AS week,
                            groupBitOr(toUInt16(if(c.is_possible, bits, 0))) AS possible_then,
                            groupBitOr(toUInt16(if(c.is_possible AND NOT c.is_attendance, bits, 0))) AS absent_then
                        FROM
                        (
                            SELECT canonical_code, {first:Date} + number AS day, bitShiftLeft(toUInt16(3), 2 * (day - toMonday(day))) AS bits
                            FROM (SELECT DISTINCT canonical_code FROM code_category)
                            ARRAY JOIN range(toUInt32(greatest(0, toInt32({last:Date} - {first:Date}) + 1))) AS number
                        ) AS d
                        ASOF LEFT JOIN code_categories AS c ON c.canonical_code = d.canonical_code AND c.applies_from <= d.day
                        GROUP BY canonical_code, week
                    ) AS m ON m.canonical_code = p.canonical_code AND m.week = p.week
                    WHERE p.in_scope OR {headline:UInt8} = 0
                )
                ARRAY JOIN pupils AS pupil, marked_by AS marked_in
            )
            WHERE marked != 0
            GROUP BY urn, pupil_id
        )
        LEFT ARRAY JOIN entries AS kept, years AS kept_year
    ) AS t
    LEFT JOIN
    (
        SELECT
            urn, pupil_id, toMonday({first:Date}) + 7 * number AS week, true AS is_bound,
            toUInt16(arraySum(day -> if(arrayExists(spell -> week + day BETWEEN spell.1 AND spell.2, spells), bitShiftLeft(toUInt16(3), 2 * day), 0),
                range(7))) AS on_roll
        FROM
        (
            SELECT urn, pupil_id, groupArrayIf((first_day, last_day), status != 'pre-admission') AS spells FROM roll
            WHERE (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
              AND {of_authorities}
            GROUP BY urn, pupil_id
            HAVING NOT arrayExists(spell -> spell.1 <= {first:Date} AND spell.2 >= {last:Date}, spells)
        )
        ARRAY JOIN range(toUInt32(greatest(0, intDiv(toInt32({last:Date} - toMonday({first:Date})), 7) + 1))) AS number
        WHERE on_roll != 16383
    ) AS b ON b.urn = t.urn AND b.pupil_id = t.pupil_id AND toUInt16(b.week) = t.week
    WHERE standing != 0 OR NOT is_kept
)
GROUP BY urn, pupil_id
HAVING possible > 0
