-- {lesson_rules} of derive_from_lessons.sql: of each school the session dates of which any version of its rules spoke, and the rules of
-- the greatest version. Read by sinks/derive.py.
(
    SELECT
        urn, groupUniqArrayIf((first_day, last_day), name != '') AS spans,
        groupArrayIf(
            (first_day, last_day, am, pm, best), name != '' AND (urn, version) IN (SELECT urn, max(version) FROM lesson_rule GROUP BY urn)
        ) AS rules
    FROM lesson_rule FINAL
    GROUP BY urn
)
