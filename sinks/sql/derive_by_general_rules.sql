-- {choosing} of derive_current.sql where every rule is of a kind of source and a class of codes and of nothing else: the same for a third
-- of the planning. `general`: the precedence, and `named`: the rules that are met, least precedence first, of a definite code, N and an
-- unmapped one of a register, then of an MIS. Read by sinks/derive.py.
    {general} AS general, {named} AS named,
    (school, day, system, kind_of_source, code) -> general[kind_of_source * 3 - 2 + multiIf(code = 'N', 1, code = '', 2, 0)] AS precedence_of,
    (than, school, day, system, kind_of_source, code) ->
        arrayFirst(rule -> rule.1 > than, named[kind_of_source * 3 - 2 + multiIf(code = 'N', 1, code = '', 2, 0)]).2 AS outranked_by
