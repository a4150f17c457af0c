-- needs: access management
-- The role of people who may see some schools only (access_scope, `rollcall access`). Give it with GRANT rollcall_scoped TO a user, as the
-- user's only role: a user who has another one as well may SET ROLE and be rid of this one.
--
-- The policies are on the views, not on the tables below them. A view here reads its tables with the rights of its definer, so a policy on
-- a table would ask who made the view and never who asks it; a policy on the view itself is applied to what the view gives, for the user who
-- asks, whatever way the view is named: in a join, a subquery, or by merge(). Nothing without a policy is granted but what has no school.
-- Two policies on each view: the first lets everybody see rows as before (a table with any policy is otherwise closed to those whom none
-- names, on some servers), the second is RESTRICTIVE: no further policy can widen what it leaves.
--
-- {database} is the database that is migrated: what a policy names without one would be looked for in the database of the user who asks.
-- A new view that scoped users shall read gets its three lines in a file of its own; tests/sinks/test_access.py holds them together.

CREATE ROLE IF NOT EXISTS rollcall_scoped;

GRANT SELECT ON schools_in_scope TO rollcall_analyst;
GRANT SELECT ON schools_in_scope TO rollcall_scoped;
GRANT SELECT ON code_categories TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.schools FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.schools FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON schools TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.school_days FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.school_days FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON school_days TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.session_counts FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.session_counts FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON session_counts TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.session_counts_live FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.session_counts_live FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON session_counts_live TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.marks_current FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.marks_current FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON marks_current TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.marks_live FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.marks_live FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON marks_live TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.marks_history FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.marks_history FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON marks_history TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.marks_missing FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.marks_missing FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON marks_missing TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.registers_missing FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.registers_missing FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON registers_missing TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.registers_expected FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.registers_expected FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON registers_expected TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.registers_timetabled FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.registers_timetabled FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON registers_timetabled TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.timetable_versions FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.timetable_versions FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON timetable_versions TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.sessions_expected FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.sessions_expected FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON sessions_expected TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.session_openings FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.session_openings FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON session_openings TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.open_days FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.open_days FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON open_days TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.school_weeks FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.school_weeks FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON school_weeks TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.school_closures FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.school_closures FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON school_closures TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.roll FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.roll FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON roll TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.group_members FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.group_members FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON group_members TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.kiosk_events FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.kiosk_events FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON kiosk_events TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.evidence_standing FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.evidence_standing FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON evidence_standing TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.marks_conflicting FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.marks_conflicting FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON marks_conflicting TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.marks_from_lessons FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.marks_from_lessons FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON marks_from_lessons TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.period_marks FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.period_marks FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON period_marks TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.lesson_rules FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.lesson_rules FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON lesson_rules TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.snapshot_coverage FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.snapshot_coverage FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON snapshot_coverage TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.quarantine_open FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.quarantine_open FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON quarantine_open TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.quarantine_entries FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.quarantine_entries FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON quarantine_entries TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.exceptions_found FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.exceptions_found FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON exceptions_found TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.data_quality FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.data_quality FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON data_quality TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.quality_coverage FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.quality_coverage FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON quality_coverage TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.quality_silent_schools FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.quality_silent_schools FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON quality_silent_schools TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.quality_late_sources FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.quality_late_sources FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON quality_late_sources TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.quality_unmapped_codes FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.quality_unmapped_codes FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON quality_unmapped_codes TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.quality_duplicate_ids FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.quality_duplicate_ids FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON quality_duplicate_ids TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.quality_impossible_totals FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.quality_impossible_totals FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON quality_impossible_totals TO rollcall_scoped;

CREATE ROW POLICY IF NOT EXISTS rollcall_everybody ON {database}.quality_sudden_changes FOR SELECT USING 1 TO ALL;
CREATE ROW POLICY IF NOT EXISTS rollcall_scoped ON {database}.quality_sudden_changes FOR SELECT
    USING urn IN (SELECT urn FROM {database}.schools_in_scope) AS RESTRICTIVE TO rollcall_scoped;
GRANT SELECT ON quality_sudden_changes TO rollcall_scoped;
