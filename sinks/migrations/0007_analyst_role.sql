-- needs: access management
-- The role of analysts: every view, no table. Give it with GRANT rollcall_analyst TO a user. The tables are not granted:
-- read without FINAL they hold marks that were amended, and rows that were delivered twice.
-- The embedded engine has no roles of its own: its front's user `analyst` is held to the same by the front.

CREATE ROLE IF NOT EXISTS rollcall_analyst;

GRANT SELECT ON marks_current TO rollcall_analyst;
GRANT SELECT ON marks_history TO rollcall_analyst;
GRANT SELECT ON session_counts TO rollcall_analyst;
GRANT SELECT ON school_days TO rollcall_analyst;
GRANT SELECT ON marks_missing TO rollcall_analyst;
GRANT SELECT ON registers_missing TO rollcall_analyst;
GRANT SELECT ON quarantine_open TO rollcall_analyst;
GRANT SELECT ON exceptions_found TO rollcall_analyst;
GRANT SELECT ON data_quality TO rollcall_analyst;
GRANT SELECT ON code_categories TO rollcall_analyst;
GRANT SELECT ON schools TO rollcall_analyst;
GRANT SELECT ON roll TO rollcall_analyst;
GRANT SELECT ON group_members TO rollcall_analyst;
GRANT SELECT ON registers_timetabled TO rollcall_analyst;
GRANT SELECT ON registers_expected TO rollcall_analyst;
GRANT SELECT ON sessions_expected TO rollcall_analyst;
GRANT SELECT ON session_openings TO rollcall_analyst;
GRANT SELECT ON open_days TO rollcall_analyst;
