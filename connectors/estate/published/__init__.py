"""Schools, pupils and marks invented to a published file of attendance, with exactly its totals.

`cells` reads the file, `allocation` gives every pupil of a cell their marks, `town` puts schools around them and adds
what must not count, `messages` makes the rosters and registers, `send` puts them on Kafka.
"""
