-- Versions that stand for the keys of a batch, from its earliest taken_at on.
-- Read by sinks.reference.apply, to tell an exact repeat from a new version.
SELECT
    CAST(kind, 'String') AS kind_name,
    key,
    toUnixTimestamp64Milli(taken_at) AS taken_ms,
    digest
FROM reference_version FINAL
WHERE (kind, key) IN (SELECT arrayJoin(arrayZip({kinds:Array(String)}, {keys:Array(String)})))
  AND toUnixTimestamp64Milli(taken_at) >= {earliest:Int64}
