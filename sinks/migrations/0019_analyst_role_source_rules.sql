-- needs: access management
-- The role of analysts, as in 0007: the view of 0018. marks_conflicting, made anew there, keeps its grant.

GRANT SELECT ON source_rules TO rollcall_analyst;
