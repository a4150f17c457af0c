-- What publications of rules for lessons have changed: school, session dates, and the number of the latest that did: a rule came, or was
-- there no more; with the instant (s since 1970) at which the school's latest version was applied. Read by sinks/derive.py.
SELECT r.urn AS urn, r.first_day AS first_day, r.last_day AS last_day, max(r.changed_at) AS number, any(a.applied) AS applied
FROM
(
    SELECT e.urn AS urn, e.first_day AS first_day, e.last_day AS last_day, arrayJoin(arrayFilter(
        (version, before) -> has(e.present, version) != has(e.present, before), v.versions, arrayPushFront(arrayPopBack(v.versions), 0)
    )) AS changed_at
    FROM
    (
        SELECT urn, name, first_day, last_day, am, pm, best, groupUniqArray(version) AS present
        FROM lesson_rule FINAL
        WHERE name != ''
        GROUP BY urn, name, first_day, last_day, am, pm, best
    ) AS e
    INNER JOIN (SELECT urn, arraySort(groupUniqArray(version)) AS versions FROM lesson_rule GROUP BY urn) AS v ON v.urn = e.urn
) AS r
LEFT JOIN
(
    SELECT toUInt32OrZero(key) AS urn, toUInt64(toUnixTimestamp(max(applied_at))) AS applied FROM reference_version WHERE kind = 'lesson-rule' GROUP BY key
) AS a ON a.urn = r.urn
GROUP BY r.urn, r.first_day, r.last_day
ORDER BY urn, first_day
