-- When a cut was known: the latest instant at which a page was taken in that Kafka had by the cut's end, and how many there are.
-- `unfinished`: ranges taken in by `end` or by that instant which a worker has begun and not done; their marks may still come.
-- Read by sinks/snapshots.py.
SELECT
    greatest(max(ingested_at), {end:DateTime64(3, 'UTC')}) AS known_at,
    count() AS pages,
    (
        SELECT count() FROM ledger FINAL
        WHERE state = 'PENDING' AND ingested_at <= greatest(
            {end:DateTime64(3, 'UTC')},
            (SELECT max(ingested_at) FROM register_receipt WHERE snapshot = {label:String} AND produced_at <= {end:DateTime64(3, 'UTC')})
        )
    ) AS unfinished
FROM register_receipt FINAL
WHERE snapshot = {label:String} AND produced_at <= {end:DateTime64(3, 'UTC')}
