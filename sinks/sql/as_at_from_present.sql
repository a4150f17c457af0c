-- mark_current and school_session of a past instant out of what stands now: of pupil-sessions of which nothing came later what stands, of
-- the others what was made again (mark_current_then, school_session_then). Every row names the publication of then, as where all are
-- made again. Read by sinks/as_at_marks.py.
CREATE VIEW mark_current AS
SELECT * REPLACE (
    bitOr(
        bitShiftLeft(toUInt128({publication}), 64),
        toUInt128(bitOr(toUInt64(derived_version), bitShiftLeft(toUInt64(1), 63)))
    ) AS derived_version
)
FROM mark_current_standing FINAL
WHERE session_date BETWEEN {first} AND {last} AND {schools} AND {key} NOT IN (SELECT key FROM as_at_later)
UNION ALL
SELECT * FROM mark_current_then FINAL;

CREATE VIEW school_session AS
SELECT * FROM school_session_standing FINAL
WHERE session_date BETWEEN {first} AND {last} AND {schools} AND marks > 0
  AND (session_date, urn, session) NOT IN (SELECT session_date, urn, session FROM as_at_later)
UNION ALL
SELECT * FROM school_session_then FINAL;
