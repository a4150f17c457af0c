"""What can be odd about a school's day as a whole: the closed list of the views `quality_<name>`.

Each says what it is, when it matters and how to resolve it. Findings about single marks, and refusals, are in
rollcall/domain/findings.py.
"""

from __future__ import annotations

from rollcall.domain.findings import Finding

__all__ = ["QUALITY"]

#: The view of each is `quality_<name>` (sinks/migrations/0026_windows_and_quality.sql); its comment says the same.
QUALITY: tuple[Finding, ...] = (
    Finding(
        "coverage",
        "A school has marks for less than 95 per cent of the pupils and sessions that should have one.",
        "Its rate is of those marked: who is missing is neither present nor absent.",
        "See rollcall ask unmarked for the registers; have them taken, or the roster corrected.",
    ),
    Finding(
        "silent_schools",
        "No mark stands of a school on one of its school days, by noon if it is today.",
        "It is in no figure of that day, and a school that takes no register is not thereby closed.",
        "Look at its source (rollcall sources check), or publish the closure in its calendar.",
    ),
    Finding(
        "late_sources",
        "The first mark that a source gives of a session was made more than an hour after the last register "
        "of it should have closed.",
        "Until then the school is missing or stands by another source.",
        "Ask the school when its registers are taken (rollcall ask late), or pull the source more often.",
    ),
    Finding(
        "unmapped_codes",
        "Marks that count carry a code that the map in force does not know.",
        "They are unknown in every report: neither present nor absent.",
        "Publish a map of the scheme with this code: rollcall reference load codes; the marks follow by themselves.",
    ),
    Finding(
        "duplicate_ids",
        "One id stands for several things: a record of the MIS for two pupils of a day, a submission for two "
        "contents, a reference or UPN for two pupils of a school.",
        "Marks under it may be given to the wrong pupil, or to nobody.",
        "Correct the roster, or ask the supplier for ids that are not used again.",
    ),
    Finding(
        "impossible_totals",
        "The counts of a session cannot be right: more marks than pupils on roll, or not one of at least 20 "
        "pupils attended.",
        "They are in the figures as they are.",
        "Compare the roster with the MIS; a closed school gives # or Y, not absence.",
    ),
    Finding(
        "sudden_changes",
        "A school's attendance is 10 points or more from its own on the same weekday of the eight weeks "
        "before, or it has less than half or more than twice the marks.",
        "A source that broke looks like that, and so does a sick class.",
        "Look at quality_coverage and the school's registers first; if it is true, nothing is to be done.",
    ),
)
