-- needs: access management
-- The role of analysts, as in 0007: the views of 0018 and 0019. marks_conflicting, made anew in 0018, keeps its grant.

GRANT SELECT ON source_rules TO rollcall_analyst;
GRANT SELECT ON pupil_alias_link TO rollcall_analyst;
GRANT SELECT ON pupil_alias_in_force TO rollcall_analyst;
