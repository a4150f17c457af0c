-- How many messages are archived. Read by benchmarks/place.py.
SELECT count() FROM message_archive
