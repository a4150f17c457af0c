-- Persistent and severe absence over a span of dates, one row per trust, local authority, region, phase, authority and phase, school or
-- year group. Read by sinks/absence.py (`rollcall report absence`).
-- Filled in: enrolments, absence_enrolments.sql, which has the arithmetic and its parameters. Parameter of its own: by (all, trust, la,
-- region, phase, la-phase, school, year-group). Bands are of enrolments with 20 possible sessions (rule 20), 5 % each, the last 50 % and more.
-- The second part brings the schools that might have sent something, with the facts of the last of the dates. is_total pools all.
SELECT
    grouping(key) = 1 AS is_total,
    multiIf({by:String} = 'trust', trust_id, {by:String} = 'la', la_code, {by:String} = 'region', region_code,
            {by:String} = 'phase', phase, {by:String} = 'la-phase', concat(la_code, ' ', phase),
            {by:String} = 'school', toString(urn), {by:String} = 'year-group', year_group, '') AS key,
    any(multiIf({by:String} = 'trust', trust_name, {by:String} = 'la', la_name, {by:String} = 'region', region_name,
                {by:String} = 'phase', phase, {by:String} = 'la-phase', concat(la_name, ', ', phase),
                {by:String} = 'school', school_name, {by:String} = 'year-group', year_group, '')) AS label,
    uniqExactIf(urn, NOT known) AS schools,
    uniqExactIf(urn, known) AS schools_known,
    sum(enrolments) AS enrolments,
    sum(possible) AS possible,
    sum(absent) AS absent,
    sum(persistent) AS persistent,
    sum(severe) AS severe,
    sumForEach(bands) AS bands
FROM
(
    SELECT
        urn, school_name, la_code, la_name, region_code, region_name, trust_id, trust_name, phase, year_group,
        toUInt64(1) AS enrolments, toUInt64(possible) AS possible, toUInt64(absent) AS absent,
        toUInt64(is_persistent) AS persistent, toUInt64(is_severe) AS severe,
        arrayMap(number -> toUInt64(number = band AND possible >= 20), range(11)) AS bands, false AS known
    FROM ({enrolments})

    UNION ALL
    SELECT
        urn, said.1, said.2, said.3, said.4, said.5, said.6, said.7, said.8, '' AS year_group, 0, 0, 0, 0, 0,
        arrayMap(number -> toUInt64(0), range(11)), true
    FROM
    (
        SELECT
            urn,
            argMax((school_name, la_code, la_name, region_code, region_name, trust_id, trust_name, phase, in_headline), valid_from) AS said
        FROM schools
        WHERE valid_from <= {last:Date} AND valid_to >= {first:Date} AND opened_on <= {last:Date} AND closed_on >= {first:Date}
          AND status != 'proposed' AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
        GROUP BY urn
    )
    WHERE (said.9 OR {headline:UInt8} = 0) AND (empty({las:Array(String)}) OR said.2 IN {las:Array(String)})
)
GROUP BY GROUPING SETS ((key), ())
