-- The latest week is not packed, as while it runs. Read by benchmarks/absence.py.
ALTER TABLE pupil_week DELETE WHERE week = {week:Date} SETTINGS mutations_sync = 2
