-- Schools whose roster in force has a pupil on roll on a day. Read by sinks/erasure.py.
SELECT DISTINCT urn FROM enrolment FINAL
WHERE pupil_id = {pupil:UInt64} AND {day:Date} BETWEEN first_day AND last_day
  AND (urn, taken_at) IN (SELECT toUInt32OrZero(key), max(taken_at) FROM reference_version WHERE kind = 'roster' GROUP BY key)
ORDER BY urn
