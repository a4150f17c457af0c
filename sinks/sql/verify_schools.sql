-- How much history each school has on a day, to cut the day into slices that fit in memory. Read by sinks/verify.py.
SELECT urn, count() AS deliveries FROM mark_event WHERE session_date = {day:Date} GROUP BY urn ORDER BY urn
