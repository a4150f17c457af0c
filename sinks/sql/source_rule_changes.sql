-- What publications of rules between sources have changed: school (0: all), session dates, and the number of the publication. A rule
-- changes where it comes in force or is no more. Read by sinks/derive.py.
SELECT urn, first_day, last_day, arrayJoin(arrayFilter(
    (version, before) -> has(present, version) != has(present, before), arrayPopFront(versions), arrayPopBack(versions))) AS changed_at
FROM
(
    SELECT urn, first_day, last_day, groupUniqArrayIf(version, in_force) AS present
    FROM source_rule FINAL
    GROUP BY name, urn, source, source_kind, code_class, codes, precedence, first_day, last_day
) AS r
CROSS JOIN (SELECT arraySort(groupUniqArray(version)) AS versions FROM source_rule) AS v
ORDER BY changed_at, urn, first_day
