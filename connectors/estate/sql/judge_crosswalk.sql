-- Read by the simulated estate's judge: what sources call a pupil.
SELECT urn, scheme, ref, pupil_id, ambiguous
FROM crosswalk FINAL
