-- `asked` of derive_said_again.sql for the keys of some batches that are to be derived. Read by sinks/derive.py.
(session_date, urn, session) IN
(
    SELECT session_date, urn, session FROM touched
    WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
)
