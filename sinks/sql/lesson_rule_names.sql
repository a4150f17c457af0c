-- {lesson_rules}: (school, first and last session date, name) of each rule for lessons in force (rule 7), as an array. Read by
-- sinks/explaining.py and sinks/mark_stories.py.
(
    SELECT groupArray((urn, first_day, last_day, toString(name))) FROM lesson_rule FINAL
    WHERE name != '' AND (urn, version) IN (SELECT urn, max(version) FROM lesson_rule GROUP BY urn)
)
