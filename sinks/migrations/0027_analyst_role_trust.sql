-- needs: access management
-- The role of analysts, as in 0007: the views of 0024 to 0026.

GRANT SELECT ON school_lineage TO rollcall_analyst;
GRANT SELECT ON marks_by_lineage TO rollcall_analyst;
GRANT SELECT ON lineage_days TO rollcall_analyst;
GRANT SELECT ON period_marks TO rollcall_analyst;
GRANT SELECT ON amendment_windows TO rollcall_analyst;
