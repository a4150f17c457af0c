-- needs: access management
-- The role of analysts, as in 0007: the views of 0022. A view made anew keeps what was granted on it.

GRANT SELECT ON quarantine_stories TO rollcall_analyst;
GRANT SELECT ON quarantine_entries TO rollcall_analyst;
GRANT SELECT ON quarantine_attempts TO rollcall_analyst;
