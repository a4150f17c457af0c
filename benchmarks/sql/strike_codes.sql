-- The codes of the strike benchmark, as themselves. Read by benchmarks/strike.py.
INSERT INTO code_map (scheme, version, raw_code, canonical_code, valid_from, valid_to, published_at)
SELECT 'national', 1, arrayJoin(['/', '\\', 'I', 'L', 'Y']) AS code, code, '1970-01-01', '2149-06-06', '2023-01-01'
