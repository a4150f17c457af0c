-- needs: access management
-- The role of analysts, as in 0007: the views of 0016.

GRANT SELECT ON marks_conflicting TO rollcall_analyst;
GRANT SELECT ON evidence_standing TO rollcall_analyst;
GRANT SELECT ON marks_live TO rollcall_analyst;
GRANT SELECT ON session_counts_live TO rollcall_analyst;
