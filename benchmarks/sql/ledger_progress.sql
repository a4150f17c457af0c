-- How far a worker is: messages DONE, and when the last of them was (microseconds since 1970). Read by benchmarks/place.py.
SELECT sum(messages) AS done, max(toUnixTimestamp64Micro(at)) AS last_at
FROM (SELECT * FROM ledger FINAL WHERE consumer_group = {group:String} AND state = 'DONE')
