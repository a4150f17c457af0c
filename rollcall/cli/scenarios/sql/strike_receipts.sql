-- What the receipts of each school say of each cut of a snapshot, over all pulls for it.
SELECT snapshot, urn, sum(accepted), sum(unchanged), sum(quarantined)
FROM register_receipt FINAL
WHERE snapshot != ''
GROUP BY snapshot, urn
