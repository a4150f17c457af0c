-- Of the schools that a cell is of: those with a mark that counts, and those that are expected to have one; as report_day.sql counts them,
-- whatever session or code the cell is of. Read by sinks/explaining.py.
SELECT uniqExactIf(urn, reported), uniqExactIf(urn, expected)
FROM
(
    SELECT urn, marks > 0 AS reported, false AS expected, la_code, phase, trust_id
    FROM {counts}
    WHERE session_date = {day:Date} AND has_begun AND (in_headline OR {headline:UInt8} = 0)
      AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
      AND (empty({year_groups:Array(String)}) OR year_group IN {year_groups:Array(String)})
    UNION ALL
    SELECT r.urn, false, true, s.la_code, s.phase, s.trust_id
    FROM
    (
        SELECT urn, in_scope, {day:Date} AS session_date FROM roll
        WHERE {day:Date} BETWEEN first_day AND last_day AND status != 'pre-admission'
          AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
          AND (empty({year_groups:Array(String)}) OR year_group IN {year_groups:Array(String)})
          AND urn IN (SELECT urn FROM sessions_expected WHERE session_date = {day:Date} AND has_begun
              AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)}))
    ) AS r
    ASOF LEFT JOIN schools AS s ON s.urn = r.urn AND s.valid_from <= r.session_date
    WHERE (r.in_scope AND s.in_headline AND r.session_date <= s.valid_to) OR {headline:UInt8} = 0
)
WHERE (empty({las:Array(String)}) OR la_code IN {las:Array(String)}) AND (empty({phases:Array(String)}) OR phase IN {phases:Array(String)})
  AND (empty({trusts:Array(String)}) OR trust_id IN {trusts:Array(String)})
