-- What came of the changes of a demo's day. Read by the demo.
SELECT
    (SELECT count() FROM quarantine_entries WHERE state = 'taken'),
    (SELECT count() FROM marks_conflicting WHERE rule = 'new_system'),
    (SELECT count() FROM marks_history WHERE has(exceptions, 'school_not_open')),
    (SELECT count() FROM pupil_alias_in_force),
    (SELECT count() FROM marks_from_lessons)
