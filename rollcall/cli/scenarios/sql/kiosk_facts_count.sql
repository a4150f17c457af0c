-- How many events of kiosks stand, each once. Read by rollcall/cli/scenarios/kiosks.py.
SELECT count() FROM kiosk_event FINAL
