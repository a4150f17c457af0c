-- Publications that took a number, with the first and the last number of each: rules of knowledge time take a further one when their
-- instant comes. Read by sinks/publications.py.
SELECT 'code-map' AS kind, toString(scheme) AS key, toUnixTimestamp64Milli(published_at) AS published_ms, min(version) AS first, max(version) AS last
FROM code_map
GROUP BY key, published_ms
UNION ALL
SELECT 'code-category', 'code-categories', toUnixTimestamp64Milli(published_at) AS published_ms, min(version), max(version)
FROM code_category
GROUP BY published_ms
UNION ALL
SELECT 'source-rule', 'source-rules', toUnixTimestamp64Milli(published_at) AS published_ms, min(version), max(version)
FROM source_rule
GROUP BY published_ms
UNION ALL
SELECT 'pupil-alias', toString(pupil_id), toUnixTimestamp64Milli(published_at) AS published_ms, min(version), max(version)
FROM pupil_alias
GROUP BY pupil_id, published_ms
UNION ALL
SELECT 'lesson-rule', toString(urn), toUnixTimestamp64Milli(published_at) AS published_ms, min(version), max(version)
FROM lesson_rule
GROUP BY urn, published_ms
