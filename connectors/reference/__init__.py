"""Reference data from files: GIAS extracts, calendars and timetables, to the `reference.*` topics.

A file is read whole before anything is published. A row that cannot be read is named by its line and column and left
out; the others are published. Only what is new is published: the topic itself says what was known before.
"""
