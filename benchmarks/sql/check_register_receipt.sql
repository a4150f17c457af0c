-- What the receipts of a day add up to: messages, marks, accepted, unchanged, quarantined. Read by benchmarks/answer_key.py.
SELECT count() AS messages, sum(marks), sum(accepted), sum(unchanged), sum(quarantined)
FROM register_receipt FINAL
WHERE session_date = {day:Date}
