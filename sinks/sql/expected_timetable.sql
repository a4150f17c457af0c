-- When the timetable in force at an instant was taken (milliseconds since 1970), 0 without one. Read by sinks/expected.py.
-- Parameters: urn, known (microseconds since 1970).
SELECT toUnixTimestamp64Milli(max(taken_at)) AS taken
FROM reference_version FINAL
WHERE kind = 'register' AND key = toString({urn:UInt32}) AND toUnixTimestamp64Micro(applied_at) <= {known:Int64}
