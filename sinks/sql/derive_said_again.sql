-- `assertions` of derive_current.sql, or the marks of lessons of derive_from_lessons.sql, each as late as it was last said, where that
-- decides (migration 0049): of those who disagree the latest stands, whether a repeat of what it says was written or not. `asked`: which
-- rows of mark_reassertion concern them; `of`: those of sessions, or of lessons; `and_lesson`: the same lesson. `known` makes
-- derived_version grow. Read by sinks/derive.py.
(
    SELECT b.* REPLACE (greatest(b.version, g.again) AS version, greatest(b.ingested_at, g.known) AS ingested_at)
    FROM {assertions} AS b
    LEFT ANY JOIN
    (
        SELECT
            session_date AS of_date, urn AS of_urn, session AS of_session, period AS of_period, pupil_id AS of_pupil, version AS of_version,
            content AS of_content, max(mark_reassertion.again) AS again, max(mark_reassertion.ingested_at) AS known
        FROM mark_reassertion
        WHERE {of} AND {asked}
        GROUP BY of_date, of_urn, of_session, of_period, of_pupil, of_version, of_content
    ) AS g
        ON b.session_date = g.of_date AND b.urn = g.of_urn AND b.session = g.of_session AND b.pupil_id = g.of_pupil
        AND b.version = g.of_version AND b.content = g.of_content{and_lesson}
)
