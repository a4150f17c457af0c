-- `counting` of derive_current.sql where aliases may concern the assertions: a mark of a pupil who has an alias counts for another
-- (migration 0019). Its own pupil, and whoever it once counted for, are told that of it nothing stands: without that row the old one
-- would stand for ever. `wanted`: a condition on whom a mark counts for (told.1) and its session, true only where all that counts for
-- them is in `assertions`.
-- `assertions` stands here once, for it is planned as often as it stands. Read by sinks/derive.py.
SELECT b.*, told.1 AS pupil, told.2 AS counts FROM {assertions} AS b
LEFT ANY JOIN
(
    SELECT l.pupil_id AS pupil_id, groupUniqArray(l.to_pupil_id) AS linked,
        groupArrayIf((f.urn, toString(f.source), f.valid_from, f.valid_to, f.to_pupil_id), f.to_pupil_id != 0) AS aliases
    FROM pupil_alias_link AS l LEFT JOIN pupil_alias_in_force AS f ON l.pupil_id = f.pupil_id
    GROUP BY pupil_id
) AS x
    ON b.pupil_id = x.pupil_id
ARRAY JOIN if(empty(x.linked), [(b.pupil_id, true)], arrayMap(
    t -> (t, t = ifNull(nullIf(arrayFirst(
        f -> (f.1 = 0 OR f.1 = b.urn) AND (f.2 = '' OR f.2 = b.source) AND b.session_date BETWEEN f.3 AND f.4, x.aliases).5, 0), b.pupil_id)),
    arrayPushBack(x.linked, b.pupil_id))) AS told
WHERE b.source_kind != 'kiosk' AND {wanted}
