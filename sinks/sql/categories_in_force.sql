-- Codes and the categories that they have on some session date of a span, as views apply them (0045). Read by
-- sinks/categories.py. Parameters: first, last.
SELECT toString(canonical_code) AS code, groupUniqArray(toString(category)) AS categories
FROM
(
    SELECT
        canonical_code, category, applies_from,
        leadInFrame(applies_from, 1, toDate('2149-06-06')) OVER
            (PARTITION BY canonical_code ORDER BY applies_from ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS next_from
    FROM code_categories
)
WHERE applies_from <= {last:Date} AND next_from > {first:Date}
GROUP BY canonical_code
ORDER BY canonical_code
