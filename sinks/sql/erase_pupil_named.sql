-- Pupils that a school's source calls so: by the crosswalk, and by deliveries. Read by sinks/erasure.py.
SELECT DISTINCT pupil_id
FROM
(
    SELECT pupil_id FROM crosswalk FINAL WHERE urn = {urn:UInt32} AND scheme = {scheme:String} AND ref = {ref:String} AND pupil_id != 0
    UNION ALL
    SELECT pupil_id FROM mark_event WHERE urn = {urn:UInt32} AND pupil_scheme = {scheme:String} AND pupil_ref = {ref:String}
)
ORDER BY pupil_id
