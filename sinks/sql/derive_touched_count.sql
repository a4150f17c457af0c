-- How many keys a batch has on the work list. Read by sinks/derive.py.
SELECT count() FROM touched WHERE batch = {batch:UInt64}
