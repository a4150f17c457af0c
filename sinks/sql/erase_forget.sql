-- A pupil's references name nobody for certain any more: workers refuse marks that use them. Read by sinks/erasure.py.
INSERT INTO crosswalk (urn, scheme, ref, pupil_id, valid_from, valid_to, upn_invalid, upn_shared, ambiguous, updated_at)
SELECT urn, scheme, ref, pupil_id, valid_from, valid_to, upn_invalid, upn_shared, true, now64(6)
FROM crosswalk FINAL WHERE pupil_id = {pupil:UInt64}
