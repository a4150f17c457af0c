-- {rules} of derive_current.sql: the rules of the greatest version that are in force, least precedence first. A kind of source is its
-- number in mark_assertion, 0 for either. Read by sinks/derive.py.
(
    SELECT arraySort(groupArrayIf((
        precedence, toString(name), urn, toString(source), toUInt8(multiIf(source_kind = 'register', 1, source_kind = 'mis', 2, 0)),
        toString(code_class), codes, first_day, last_day
    ), in_force))
    FROM source_rule FINAL
    WHERE version = (SELECT max(version) FROM source_rule)
    HAVING throwIf(count() = 0, 'no rules between sources stand in source_rule, not even the built-in ones: run rollcall migrate') = 0
)
