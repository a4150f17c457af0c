-- needs: access management
-- The role of analysts, as in 0007: the view of 0041.

GRANT SELECT ON dim_date TO rollcall_analyst;
