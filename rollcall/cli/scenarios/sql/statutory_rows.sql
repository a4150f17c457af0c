-- Marks and counts that stand. Read by rollcall/cli/scenarios/kiosks.py.
SELECT (SELECT count() FROM mark_current FINAL) + (SELECT count() FROM school_session FINAL)
