-- Every school and each span of its facts, the last span last. Read by the worker (streams/world.py).
-- Of two messages about the same first day the later taken counts.
SELECT
    urn, CAST(phase, 'String') AS phase, state_funded, CAST(status, 'String') AS status,
    CAST(la_code, 'String') AS la_code, CAST(trust_id, 'String') AS trust_id, valid_from, valid_to
FROM school FINAL
ORDER BY urn, valid_from, taken_at DESC
LIMIT 1 BY urn, valid_from
