-- needs: access management
-- The role of analysts, as in 0007: the views of 0034.

GRANT SELECT ON lesson_rules TO rollcall_analyst;
GRANT SELECT ON marks_from_lessons TO rollcall_analyst;
