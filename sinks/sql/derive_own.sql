-- `counting` of derive_current.sql where no alias concerns the assertions: each counts for its own pupil. Planning the statement of
-- derive_linked.sql takes the engine longer than deriving a small batch. Read by sinks/derive.py.
SELECT *, pupil_id AS pupil, true AS counts FROM {assertions} WHERE source_kind != 'kiosk'
