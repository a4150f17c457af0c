-- needs: access management
-- The role of analysts, as in 0007: the view of 0030.

GRANT SELECT ON code_maps TO rollcall_analyst;
