-- What a document of categories would change: sessions, schools and their first and last session date, by span (its place from 1), by
-- phase, and of all (place 0, no phase): and by how much the sums of the headline's sessions that have begun would differ by phase
-- (rules 14 and 19; basis: statutory). `spans`: code, first and last session date, and what a mark would count more or less in each
-- sum. Read by sinks/categories.py.
WITH
    JSONExtract({spans:String}, 'Array(Tuple(String, Date, Date, Int8, Int8, Int8, Int8))') AS spans,
    counted AS
    (
        SELECT
            session_date, urn, phase, marks, marks * (in_headline AND has_begun) AS counts,
            arrayFirstIndex(s -> s.1 = canonical_code AND session_date BETWEEN s.2 AND s.3, spans) AS place
        FROM session_counts
        WHERE session_date BETWEEN {first:Date} AND {last:Date} AND canonical_code IN {codes:Array(String)} AND place > 0
    )
SELECT
    grouping(place) = 0 AS of_span, grouping(phase) = 0 AS of_phase, toUInt32(place), toString(phase), toInt64(sum(marks)) AS sessions,
    toUInt32(uniqExact(urn)) AS schools, min(session_date) AS first_day, max(session_date) AS last_day,
    toInt64(sum(toInt64(counts) * spans[place].4)) AS possible, toInt64(sum(toInt64(counts) * spans[place].5)) AS attendance,
    toInt64(sum(toInt64(counts) * spans[place].6)) AS authorised, toInt64(sum(toInt64(counts) * spans[place].7)) AS unauthorised
FROM counted
GROUP BY GROUPING SETS ((place), (phase), ())
HAVING sessions > 0
ORDER BY of_span DESC, place, phase
