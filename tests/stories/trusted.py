"""Stories of marks one can defend: late data, a school that converts, a child with two numbers, lessons, a new MIS."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

from rollcall.domain.identity import new_pupil_id
from sinks import reference
from tests.reference.conftest import applied, calendar, pupil, roster, school
from tests.stories.teller import Teller
from tests.streams.agents_at_work import await_that
from tests.streams.loading import loader
from tests.streams.messages import URN, at, mark, page, record, register
from tests.streams.rig import Rig

__all__ = [
    "a_child_under_two_numbers", "a_new_mis", "a_school_becomes_an_academy", "registers_of_lessons_only",
    "the_roster_comes_late",
]  # fmt: skip

LATE, OLD, NEW = 710_061, 710_062, 710_063
WEEK = [date(2025, 9, day) for day in (8, 9, 10, 11)]


def answers(rig: Rig, query: str, *wanted: tuple[object, ...]) -> None:
    """Wait until the query's rows are these."""
    await_that(lambda: rig.client.query(query).result_rows == list(wanted))


def the_roster_comes_late(teller: Teller) -> None:
    rig = teller.rig
    teller.title("The roster comes late")
    teller.comes(
        f"School {LATE} sends its morning before anybody has told us of the school. Nothing of it can be placed; one"
        " pupil is a mistake of the sender's.",
        register(mark("A", "/"), mark("B", "N"), mark("NOBODY", "/"), urn=LATE, group_id="5A"),
        register(mark("B", "L", minutes_late=9), urn=LATE, submitted_at=at(20), complete=False, group_id="5A"),
    )
    teller.runs("quarantine", "list", "--urn", str(LATE))
    teller.says("Then its roster and calendar are loaded. No command is given.")
    with loader(rig):
        reference.apply(
            rig.client,
            [
                applied("school", school(LATE)), applied("calendar", calendar(LATE)),
                applied("roster", roster(LATE, pupil("mis:A"), pupil("mis:B"))),
            ],
        )  # fmt: skip
        answers(rig, f"SELECT count() FROM quarantine_open WHERE urn = {LATE} AND reason = 'unknown_pupil'", (1,))
        answers(rig, f"SELECT count() FROM quarantine_open WHERE urn = {LATE} AND sent_at > 0", (0,))
        answers(rig, f"SELECT count() FROM quarantine_open WHERE urn = {LATE}", (1,))
        answers(rig, f"SELECT raw_code FROM marks_current WHERE urn = {LATE} ORDER BY 1", ("/",), ("L",))
    teller.runs(
        "sql",
        "SELECT session, raw_code, minutes_late, source FROM marks_current WHERE urn = 710061 ORDER BY raw_code",
    )
    teller.says("What stays is what is wrong for good. What came in tells its story:")
    teller.runs("quarantine", "list", "--urn", str(LATE))
    teller.runs(
        "sql",
        "SELECT e.first_reason, e.item, a.what, a.by, a.outcome FROM quarantine_entries AS e INNER JOIN"
        " quarantine_attempts AS a USING (topic_id, partition, offset, item) WHERE e.urn = 710061"
        " ORDER BY e.ingested_at, e.offset, e.item, a.at",
    )


def a_school_becomes_an_academy(teller: Teller) -> None:
    rig = teller.rig
    teller.title("A school becomes an academy in mid-term")
    taken_at = datetime(2025, 9, 20, tzinfo=UTC)
    link = {"urn": NEW, "link_type": "Successor", "linked_on": WEEK[2]}
    known = [
        applied("school", school(OLD, taken_at=taken_at, closed_on=WEEK[1], links=[link], name="A primary school")),
        applied("school", school(NEW, taken_at=taken_at, opened_on=WEEK[2], valid_from=WEEK[2], name="An academy")),
    ]
    for urn in (OLD, NEW):
        refs = [pupil(f"mis:{ref}", f"upn:k1:{ref}") for ref in ("A", "B")]
        known += [applied("roster", roster(urn, *refs)), applied("calendar", calendar(urn))]
    reference.apply(rig.client, known, {})
    teller.comes(
        f"School {OLD} closes on Tuesday 9 September; from Wednesday on it is school {NEW}, with the same pupils. The"
        " new school's first pull brings the whole week once more, under its own URN.",
        *(register(mark("A"), mark("B", "I"), urn=OLD, session_date=d, submitted_at=at(60 * 30)) for d in WEEK[:2]),
        page(
            *(record(f"{day}{ref}", ref, session_date=day) for day in WEEK for ref in ("A", "B")), urn=NEW,
            window_from=WEEK[0], window_to=WEEK[3], taken_at=at(60 * 34), source="wonde",
        ),
    )  # fmt: skip
    teller.says("Marks belong to the URN that was open on the day (rule 12). One history, and no day twice:")
    teller.runs(
        "sql",
        "SELECT session_date, urns, marks, attendance FROM lineage_days WHERE lineage_urn = 710063"
        " ORDER BY session_date",
    )
    teller.says("What the new school said of the old one's days stands in the history, with a finding:")
    teller.runs("quarantine", "exceptions", "--from", "2025-09-08", "--to", "2025-09-11")


def a_child_under_two_numbers(teller: Teller) -> None:
    rig = teller.rig
    one, two = new_pupil_id(URN, "mis", "P0"), new_pupil_id(URN, "mis", "P1")
    teller.title("One child under two numbers")
    teller.comes(
        "A child was entered twice. One number has a mark from the register, the other from the MIS.",
        register(mark("P0", "/"), mark("P2", "/"), group_id="5A"),
        page(record("r1", "P1", "L"), taken_at=at(30)),
    )
    counts = f"SELECT canonical_code, sum(marks) FROM session_counts WHERE urn = {URN} GROUP BY 1 ORDER BY 1"
    with loader(rig):
        teller.runs("identity", "merge", str(one), str(two), "--reason", "entered twice")
        answers(rig, counts, ("/", 1), ("L", 1))
        teller.says("The two marks are one pupil's now, chosen by the rules between sources:")
        teller.runs("sql", counts)
        teller.runs("ask", "conflicts", "--from", "2025-09-10")
        teller.says("It was a mistake: they are two children. The history was never touched, so nothing is lost.")
        teller.runs("identity", "undo", str(one), "--reason", "two children after all")
        answers(rig, counts, ("/", 2), ("L", 1))
    teller.runs("sql", counts)
    teller.runs("verify")


def a_new_mis(teller: Teller) -> None:
    rig = teller.rig
    teller.title("A school changes its MIS over a weekend")
    teller.comes(
        "Both systems have the same morning, and differ about two pupils. By the built-in rules the later mark counts.",
        page(record("n0", "P0", "I"), record("n1", "P1", "/"), source="new-mis"),
        page(
            record("o0", "P0", "/"), record("o1", "P1", "N"), record("o2", "P2", "/"), source="old-mis", taken_at=at(60)
        ),
    )
    teller.runs("ask", "conflicts", "--from", "2025-09-10")
    document = json.loads(teller.hears("rules", "show", "--json"))
    document["rules"].append(
        {
            "name": "new_mis", "precedence": 70, "school": URN, "source": "new-mis", "code_class": "definite",
            "dates_mean": "knowledge", "from": "2025-11-03T00:00",
        }
    )  # fmt: skip
    file = teller.folder / "rules.json"
    file.write_text(json.dumps(document))
    teller.says(
        "From 3 November on the new system is the one of record, for all session dates (rule 10). A rule is added to"
        " what `rollcall rules show --json` prints, and tried first:"
    )
    teller.runs("rules", "test", str(file))
    teller.runs("rules", "publish", str(file), "--author", "data manager", "--reason", "new MIS")
    with loader(rig):
        answers(
            rig, f"SELECT source, count() FROM marks_current WHERE urn = {URN} GROUP BY 1 ORDER BY 1",
            ("new-mis", 2), ("old-mis", 1),
        )  # fmt: skip
    teller.says("What only the old system knows still counts; what it contradicts is seen, and lost by a named rule.")
    teller.runs("ask", "conflicts", "--from", "2025-09-10")
    teller.runs("verify")


def registers_of_lessons_only(teller: Teller) -> None:
    rig = teller.rig
    teller.title("A school takes registers of lessons only")
    teller.comes(
        "No register of the morning comes, but those of registration and of two lessons. They change no figure"
        " (rule 7).",
        register(mark("P0", "N"), mark("P1", "N"), mark("P2", "/"), period="Reg"),
        register(mark("P0", "L"), mark("P1", "I"), mark("P2", "O"), period="P1", submitted_at=at(60)),
        register(mark("P0", "/"), mark("P1", "/"), mark("P3", "/"), period="P3", submitted_at=at(150)),
    )
    counts = f"SELECT canonical_code AS code, sum(marks) FROM session_counts WHERE urn = {URN} GROUP BY 1 ORDER BY 1"
    teller.runs("sql", counts)
    rule = {"name": "roll_call", "from": "2025-09-01", "am": ["Reg", "P1"], "pm": ["P4"]}
    file = teller.folder / "lessons.json"
    file.write_text(json.dumps({"school": URN, "rules": [rule]}))
    teller.says("The school says that its roll call is registration and the first lesson, and tries it first:")
    teller.runs("lessons", "test", str(file))
    teller.runs("lessons", "publish", str(file), "--author", "data manager", "--reason", "no registers of sessions")
    with loader(rig):
        answers(
            rig, f"SELECT canonical_code FROM marks_from_lessons WHERE urn = {URN} ORDER BY 1", ("/",), ("I",), ("L",)
        )
        answers(rig, counts, ("/", 1), ("I", 1), ("L", 1))
        teller.says(
            "The best mark of the two counts for the morning, and says what it follows from. P3 is outside the window."
        )
        teller.runs(
            "sql",
            "SELECT canonical_code AS code, source, rule FROM marks_from_lessons WHERE urn = 700001 ORDER BY code",
        )
        teller.comes(
            "The office enters one of them for the session: that goes before, whatever the lessons say.",
            page(record("r0", "P0", "I"), taken_at=at(200)),
        )
        answers(rig, counts, ("/", 1), ("I", 2))
        teller.runs("explain", "--date", "2025-09-10", "--school", str(URN), "--column", "marks")
        teller.says("When the rule is withdrawn, what followed from it goes. Every figure is what the history says:")
        teller.runs("lessons", "withdraw", "--urn", str(URN), "--reason", "registers of sessions again")
        answers(rig, counts, ("I", 1))
    teller.runs("sql", counts)
    teller.runs("verify")
