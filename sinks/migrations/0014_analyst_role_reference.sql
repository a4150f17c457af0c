-- needs: access management
-- What 0008 and 0009 give analysts to read, beside 0007. A view made anew keeps what was granted on it.

GRANT SELECT ON school_links TO rollcall_analyst;
GRANT SELECT ON school_successions TO rollcall_analyst;
GRANT SELECT ON school_weeks TO rollcall_analyst;
GRANT SELECT ON school_closures TO rollcall_analyst;
GRANT SELECT ON timetable_versions TO rollcall_analyst;
