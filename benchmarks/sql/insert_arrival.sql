-- The same rows into the same table and its views, as fast as the engine moves them. Read by benchmarks/engine_limit.py.
INSERT INTO mark_event SELECT * FROM arrival
