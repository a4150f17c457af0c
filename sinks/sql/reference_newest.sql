-- When reference data was last applied, in microseconds since 1970; 0 when never. Read by sinks.reference.
SELECT toUnixTimestamp64Micro(max(applied_at)) AS newest FROM reference_version
