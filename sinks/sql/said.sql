-- `said`: what may decide a session's mark: assertions, and marks of lessons where a school has, or once had, a rule for them (rule 7).
-- Read by sinks/derive.py and sinks/code_maps.py.
(
    SELECT session_date, urn, session, pupil_id, source_kind, code_scheme, raw_code, ingested_at FROM mark_assertion
    UNION ALL
    SELECT session_date, urn, session, pupil_id, source_kind, code_scheme, raw_code, ingested_at FROM period_current
    WHERE urn IN (SELECT urn FROM lesson_rule)
)
