-- Pupil-sessions of a slice of days and schools for which the rule must be asked: of more than one delivery, or of a pupil that an alias
-- links to another. In 64 bits each: two that fall together are asked for as well, and the rule is right for any. Kiosks are no assertion
-- of the statutory basis (rule 17). Read by sinks/as_at_marks.py.
INSERT INTO as_at_several (key)
SELECT {key} AS key FROM {history}
WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32}
  AND period = '' AND NOT superseded AND source_kind != 'kiosk'
GROUP BY key
HAVING count() > 1 OR max(pupil_id IN (SELECT pupil_id FROM pupil_alias_link UNION ALL SELECT to_pupil_id FROM pupil_alias_link))
