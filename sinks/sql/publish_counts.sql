-- Marks of the headline's pupils and schools (rule 14) by local authority, phase, date, code, and what it counts as on the date. Basis:
-- statutory. Read by sinks/publishing.py.
SELECT c.session_date, c.la_code, c.phase, c.canonical_code, c.category, toUInt64(sum(c.marks))
FROM session_counts AS c
WHERE c.session_date BETWEEN {first:Date} AND {last:Date} AND c.in_headline AND c.has_begun
  AND (empty({las:Array(String)}) OR c.la_code IN {las:Array(String)})
GROUP BY c.session_date, c.la_code, c.phase, c.canonical_code, c.category
