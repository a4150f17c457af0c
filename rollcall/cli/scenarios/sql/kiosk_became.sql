-- What became of the sign-ins at kiosks, each once: the code that the history has of its evidence, 'refused' where the
-- history has none, 'none' where it gave none. Read by rollcall/cli/scenarios/front_desk.py.
SELECT multiIf(evidence_id = '', 'none', code = '', 'refused', code) AS what, count() AS sign_ins
FROM kiosk_event AS event FINAL
LEFT JOIN
(
    SELECT record_id, any(canonical_code) AS code FROM mark_event FINAL WHERE source_kind = 'kiosk' GROUP BY record_id
) AS said ON event.evidence_id = said.record_id
WHERE direction = 'in'
GROUP BY what
ORDER BY what
