-- Session dates with marks of a scheme whose raw code a map would give another meaning on that date. `spans`: raw code, first and last
-- date. Read by sinks/code_maps.py.
WITH JSONExtract({spans:String}, 'Array(Tuple(String, Date, Date))') AS spans
SELECT DISTINCT session_date
FROM {said}
WHERE session_date BETWEEN {first:Date} AND {last:Date} AND source_kind != 'kiosk' AND code_scheme = {scheme:String}
  AND arrayExists(span -> span.1 = raw_code AND session_date BETWEEN span.2 AND span.3, spans)
ORDER BY session_date
