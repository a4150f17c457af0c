"""What can be wrong with a mark: the closed list of exceptions, and the closed list of reasons for quarantine.

An *exception* is a finding about an accepted mark (rule 1): the mark counts, and somebody should look. Its place in
`EXCEPTIONS` is its bit in `mark_event.exceptions`, so the list only ever grows at its end.
A *quarantine reason* says why a mark, or a whole message, could not be placed. It is kept with its bytes and can be
replayed.

Every entry carries three sentences that a school's data manager can act on: what it is, when it matters, how to
resolve it. The command line and the data-quality views print them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["BIT", "EXCEPTIONS", "EXCEPTION_NAMES", "QUARANTINE", "QUARANTINE_NAMES", "Finding", "bits", "names_of"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One entry of a list: its name (as in the tables) and the three sentences."""

    name: str
    what: str
    when_it_matters: str
    how_to_resolve: str


#: Findings about accepted marks; the position is the bit. `submission_id_reused`, `more_marks_than_roll` and
#: `dual_registration` are found in SQL, over messages, schools and pupils; the others mark by mark, by the worker.
EXCEPTIONS: tuple[Finding, ...] = (
    Finding(
        "not_on_roll",
        "The pupil has no enrolment at this school on the session date.",
        "The mark counts for the school although the pupil is not on its roll; leavers and starters cause it.",
        "Correct the admission or leaving date in the MIS, or delete the mark. Z is never flagged.",
    ),
    Finding(
        "outside_calendar",
        "The session date is not a school day of this school's calendar.",
        "The day is counted as open for the pupils marked, and only for them.",
        "Correct the date, or publish the calendar with this day open. # needs no open day and is never flagged.",
    ),
    Finding(
        "dated_ahead",
        "The session date lies after the day on which the source said it (Europe/London).",
        "Leave and closures are entered early, presence is not. It counts from the start of its session.",
        "Nothing for planned leave. Otherwise correct the mark at its source.",
    ),
    Finding(
        "code_session_mismatch",
        "/ (present in the morning) stands in an afternoon session, or \\ (afternoon) in a morning one.",
        "It counts as present. The split of present marks by AM and PM follows the session, not the code.",
        "Set the code that fits the session in the source; Rollcall never rewrites it.",
    ),
    Finding(
        "unmapped_code",
        "No code map knows this code of this scheme for this date.",
        "The mark is unknown in every report: neither present nor absent, until a map covers it.",
        "Publish a code map of the scheme with this code: rollcall reference load codes. Reports follow.",
    ),
    Finding(
        "code_out_of_date",
        "The code is not in use on the session date (H, F and Y are withdrawn; C1, C2, J1, K, Q and Y1 to Y7 are new).",
        "It keeps its category, as in the Department's figures: rates stand; the register is not as the law has it.",
        "Replace it in the source with the code in use on that date.",
    ),
    Finding(
        "upn_invalid",
        "The pupil's UPN has a wrong check letter, an unknown LA or the wrong form.",
        "Marks that name the pupil by the MIS id count. Across schools the pupil cannot be recognised.",
        "Correct the UPN in the MIS (the Department's census check 1510 or 1530 names the same fault).",
    ),
    Finding(
        "upn_shared",
        "Two pupils of this school carry the same UPN.",
        "Marks that name them by the MIS id count for each; marks that name only the UPN cannot be placed.",
        "Find out whose UPN it is and correct the other (census check 1520).",
    ),
    Finding(
        "clock_ahead",
        "The source says that it made the mark later than it arrived, by more than the bound.",
        "Its time is capped at arrival, so that it cannot hide later corrections.",
        "Set the source's clock, or its time zone: an hour ahead is summer time read as UTC.",
    ),
    Finding(
        "submission_id_reused",
        "Two submissions with different content carry the same submission_id.",
        "Both are taken as what they say, the later one wins; a sender that reuses ids may be losing registers.",
        "Ask the sender's supplier for a new id per submission; only an exact repeat may reuse one.",
    ),
    Finding(
        "more_marks_than_roll",
        "A school has more current marks in a session than pupils on roll.",
        "The roster is late or incomplete, or marks are sent under another school's URN.",
        "Publish the roster again and compare it with the MIS.",
    ),
    Finding(
        "dual_registration",
        "Two schools mark the same pupil in one session, both D, or both as possible to attend.",
        "The pupil counts twice, or not at all.",
        "The schools agree which of them gives D (attending the other school) for that session.",
    ),
    Finding(
        "ambiguous_time",
        "A time without offset falls in the hour that the autumn clock change repeats; the earlier instant was taken.",
        "The order of two marks made within that hour may be the other way round.",
        "Have the source send times with their offset.",
    ),
    Finding(
        "school_not_open",
        "The session date lies before the first day of this school (URN), or after its last, by GIAS.",
        "The mark is kept and adds nothing to any figure: that date belongs to the school before or after this one.",
        "Nothing, for a successor that tells its predecessor's dates. Else correct the URN, or load GIAS with the right"
        " days: figures follow by themselves.",
    ),
)

#: Why a mark or a message is in quarantine. A mark gets the first that applies, in the order docs/rules.md gives.
QUARANTINE: tuple[Finding, ...] = (
    Finding(
        "no_value",
        "The message has no value at all.",
        "Nothing can be read from it; no mark is known to be lost.",
        "Ask the sender what it meant. Deletions are sent as deletions, not as empty messages.",
    ),
    Finding(
        "undecodable",
        "The bytes are not a message of the schema that they name: cut short, too long, or damaged.",
        "All marks of the message are missing; other messages are not affected.",
        "Have the sender send it again. The bytes are kept: rollcall quarantine show.",
    ),
    Finding(
        "unknown_schema",
        "The message names a schema that the registry does not hold, or has no schema id.",
        "All marks of the message are missing.",
        "Register the sender's schema (rollcall schemas register) and replay the message, or have it sent again.",
    ),
    Finding(
        "key_mismatch",
        "The message's key is not the URN that it is about.",
        "Its order among the school's other messages is not assured, so nothing of it is taken.",
        "Correct the sender: the key is the URN in ASCII digits.",
    ),
    Finding(
        "not_to_be_applied",
        "A document of reference data can be read, and says what may not be: the detail names it.",
        "What was in force before stays in force; no mark is affected.",
        "Correct the document and publish it again (rollcall rules publish checks it first).",
    ),
    Finding(
        "unknown_school",
        "No school with this URN is known.",
        "The school's marks are missing from every figure.",
        "Publish the school's establishment facts, then replay; or correct the URN (a new academy has a new one).",
    ),
    Finding(
        "unknown_pupil",
        "The school's roster does not know the pupil under this reference.",
        "The pupil's mark is missing; often a starter whose roster has not come yet.",
        "Publish the school's roster with the pupil, then replay.",
    ),
    Finding(
        "ambiguous_pupil",
        "The reference names more than one pupil of the school.",
        "The mark could belong to either, so it is given to neither.",
        "Correct the roster (a UPN or id on two pupils), or have the source name pupils by their MIS id.",
    ),
    Finding(
        "bad_date",
        "The session date cannot be read as a date.",
        "The mark belongs to no session.",
        "Correct the date in the source and send it again.",
    ),
    Finding(
        "date_out_of_range",
        "The session date lies outside the academic years that are loaded.",
        "The mark belongs to no session of a known year; a mistyped year is the usual cause.",
        "Correct the date, or publish the calendar of that academic year and replay.",
    ),
    Finding(
        "bad_session",
        "The session is neither AM nor PM.",
        "The mark belongs to no session.",
        "Correct the source's mapping of its sessions and send it again.",
    ),
    Finding(
        "malformed_code",
        "The code is longer than 8 characters, or holds control characters.",
        "It may be a comment, which is not collected; the mark is missing.",
        "Correct the source's field mapping: the code, not its description or a comment.",
    ),
    Finding(
        "contradicts_itself",
        "One message says two different things about the same pupil and session.",
        "Neither can be preferred, so the pupil's mark is missing.",
        "Correct the register in the source and send it again.",
    ),
    Finding(
        "unknown_record",
        "A deletion names a record that has not been seen.",
        "If its mark arrives later, it stands although the source has deleted it.",
        "Nothing, if the record's mark is in quarantine too. Otherwise replay the deletion once the mark is in.",
    ),
    Finding(
        "no_expected_register",
        "A lesson mark names a period that the timetable in force does not have.",
        "The lesson mark is missing; no session figure changes.",
        "Publish the timetable with this period: it is taken in by itself. Or correct the name in the source.",
    ),
    Finding(
        "bad_replay",
        "The message says that it is a replay, and its header cannot be believed.",
        "No mark is known to be missing: what it repeats stands where it was first delivered.",
        "Find out who wrote it; only rollcall quarantine replay and healing send replays. Then discard it.",
    ),
)

EXCEPTION_NAMES: tuple[str, ...] = tuple(finding.name for finding in EXCEPTIONS)
QUARANTINE_NAMES: tuple[str, ...] = tuple(finding.name for finding in QUARANTINE)

#: Exception name -> its value in `mark_event.exceptions` (a power of two).
BIT: dict[str, int] = {name: 1 << bit for bit, name in enumerate(EXCEPTION_NAMES)}


def bits(names: Iterable[str]) -> int:
    """The value of `mark_event.exceptions` for these names. Raises KeyError for a name that is no exception."""
    value = 0
    for name in names:
        value |= BIT[name]
    return value


def names_of(exceptions: int) -> tuple[str, ...]:
    """The names in a value of `mark_event.exceptions`, in bit order."""
    return tuple(name for bit, name in enumerate(EXCEPTION_NAMES) if exceptions >> bit & 1)
