-- needs: access management
-- The role of analysts, as in 0007: the view that came with snapshots.

GRANT SELECT ON snapshot_coverage TO rollcall_analyst;
