-- Merges that run now. Read by benchmarks/place.py.
SELECT count() FROM system.merges
