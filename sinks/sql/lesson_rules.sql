-- Every version of the rules for lessons of a school, or (0) of all, rule by rule. Read by sinks/lesson_rules.py.
SELECT
    urn, version, position, toString(name) AS name, first_day, last_day, am, pm, said_best, toString(author) AS author, reason, published_at
FROM lesson_rule FINAL
WHERE {urn:UInt32} = 0 OR urn = {urn:UInt32}
ORDER BY urn, version, position
