-- needs: access management
-- The role of analysts, as in 0007: the view of 0045. Scoped users read what is in force (0040).

GRANT SELECT ON code_category_versions TO rollcall_analyst;
