-- The days that calendars speak of, and when the newest of them was applied (microseconds since 1970). Read by streams/healing.py.
SELECT count() AS terms, min(t.first_day) AS earliest, max(t.last_day) AS latest,
    (SELECT max(toUnixTimestamp64Micro(applied_at)) FROM reference_version WHERE kind = 'calendar') AS applied
FROM calendar_term AS t
WHERE t.last_day >= t.first_day
  AND (t.urn, t.academic_year, t.taken_at) IN (SELECT urn, academic_year, max(taken_at) FROM calendar_term GROUP BY urn, academic_year)
