-- Sessions of the headline that have begun between two dates, by phase, as they are counted now (rules 14 and 19; basis: statutory).
-- Read by sinks/code_maps.py, for what a document of categories would change too.
SELECT
    phase, toInt64(sum(possible)) AS possible, toInt64(sum(attendance)) AS attendance, toInt64(sum(authorised)) AS authorised,
    toInt64(sum(unauthorised)) AS unauthorised, toInt64(sum(unknown)) AS unknown
FROM session_counts
WHERE session_date BETWEEN {first:Date} AND {last:Date} AND in_headline AND has_begun
GROUP BY phase
ORDER BY phase
