-- {lesson_rules} of derive_from_lessons.sql as it would be if rules that nobody has published were a school's: as
-- lesson_rules_in_force.sql. Read by sinks/lesson_rules.py.
(
    SELECT
        {urn:UInt32} AS urn, arrayMap(rule -> (rule.1, rule.2), rules) AS spans,
        JSONExtract({document:String}, 'Array(Tuple(Date, Date, Array(String), Array(String), Array(String)))') AS rules
)
