-- needs: access management
-- The role of analysts, as in 0007: the views of 0024 to 0026.

GRANT SELECT ON school_lineage TO rollcall_analyst;
GRANT SELECT ON marks_by_lineage TO rollcall_analyst;
GRANT SELECT ON lineage_days TO rollcall_analyst;
GRANT SELECT ON period_marks TO rollcall_analyst;
GRANT SELECT ON amendment_windows TO rollcall_analyst;
GRANT SELECT ON quality_coverage TO rollcall_analyst;
GRANT SELECT ON quality_silent_schools TO rollcall_analyst;
GRANT SELECT ON quality_late_sources TO rollcall_analyst;
GRANT SELECT ON quality_unmapped_codes TO rollcall_analyst;
GRANT SELECT ON quality_duplicate_ids TO rollcall_analyst;
GRANT SELECT ON quality_impossible_totals TO rollcall_analyst;
GRANT SELECT ON quality_sudden_changes TO rollcall_analyst;
