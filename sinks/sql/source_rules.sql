-- Every version of the rules between sources, rule by rule. Read by sinks/source_rules.py.
SELECT
    version, position, toString(name) AS name, urn, toString(source) AS source, toString(source_kind) AS source_kind,
    toString(code_class) AS code_class, codes, precedence, toString(dates_mean) AS dates_mean, first_day, last_day, begins_at, ends_at,
    in_force, toString(author) AS author, reason, published_at, known_from
FROM source_rule FINAL
ORDER BY version, position
