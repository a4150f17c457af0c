-- needs: access management
-- The role of analysts, as in 0007: the view of 0032, which holds no bytes.

GRANT SELECT ON messages_archived TO rollcall_analyst;
