-- A reference table of a run: the parts of the one that was loaded once. Read by benchmarks/place.py,
-- which fills in the two names (ATTACH takes no parameters) from its own closed list.
ALTER TABLE {table} ATTACH PARTITION tuple() FROM {source}.{table}
