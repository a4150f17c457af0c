-- What stands of the events of some schools' kiosks. Read by rollcall/cli/scenarios/kiosks.py.
SELECT event_id, CAST(direction, 'String'), person_ref, toUnixTimestamp64Milli(event_at), evidence_id
FROM kiosk_event FINAL
WHERE urn IN {urns:Array(UInt32)}
