-- {choosing} of derive_current.sql for whatever rules. `rules`: those that hold, least precedence first (source_rules_in_force.sql).
-- Read by sinks/derive.py.
    {rules} AS rules,
    (rule, school, day, system, kind_of_source, code) ->
        (rule.3 = 0 OR rule.3 = school) AND (rule.4 = '' OR rule.4 = system) AND (rule.5 = 0 OR rule.5 = kind_of_source)
        AND multiIf(rule.6 = 'any', true, rule.6 = 'definite', code NOT IN ('N', ''), rule.6 = 'provisional', code = 'N',
            rule.6 = 'unmapped', code = '', has(rule.7, code))
        AND day >= rule.8 AND day <= rule.9 AS meets,
    arrayFilter(r -> r.3 != 0 OR r.4 != '' OR r.6 = 'codes' OR r.8 > '1970-01-01' OR r.9 < '2149-06-06', rules) AS particular,
    arrayMap(
        n -> arrayMax(r -> if(
            NOT has(particular, r) AND meets(r, 0, toDate('1970-01-01'), '', intDiv(n, 3) + 1, ['/', 'N', ''][n % 3 + 1]), r.1, 0), rules),
        range(6)) AS general,
    (school, day, system, kind_of_source, code) -> greatest(
        general[kind_of_source * 3 - 2 + multiIf(code = 'N', 1, code = '', 2, 0)],
        arrayMax(rule -> if(meets(rule, school, day, system, kind_of_source, code), rule.1, 0), particular)) AS precedence_of,
    (than, school, day, system, kind_of_source, code) ->
        arrayFirst(rule -> rule.1 > than AND meets(rule, school, day, system, kind_of_source, code), rules).2 AS outranked_by
