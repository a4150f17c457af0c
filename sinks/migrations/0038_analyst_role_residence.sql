-- needs: access management
-- The role of analysts, as in 0007: the views of 0037.

GRANT SELECT ON residence TO rollcall_analyst;
GRANT SELECT ON residence_days TO rollcall_analyst;
