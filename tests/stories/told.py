"""The stories themselves, one function each. Schools, pupils and times are made up, commands and answers are real."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sinks import reference
from streams.agents.kiosk import KioskAgent
from streams.archiving import Archiver
from tests.reference.conftest import TAKEN, applied
from tests.stories import trusted
from tests.stories.teller import Teller
from tests.streams.agents_at_work import at_work, await_that, send, sign
from tests.streams.messages import DAY, OTHER_URN, URN, at, mark, page, record, register

__all__ = ["STORIES"]

#: 08:20 UTC is 09:20 in London that day.
TWENTY_PAST = at(20)


def expected(urn: int, closes: str, groups: Sequence[str] = ("5A",)) -> Any:
    """The timetable of a school whose morning register opens at 08:50."""
    times = {"AM": ("08:50", closes), "PM": ("13:00", "13:20")}
    registers = [
        {
            "group_id": group, "session": session, "period": None, "opens_at": opens, "closes_at": shuts,
            "weekdays": [1, 2, 3, 4, 5], "valid_from": date(2025, 9, 1), "valid_to": None,
        }
        for group in groups
        for session, (opens, shuts) in times.items()
    ]  # fmt: skip
    return applied("register", {"urn": urn, "source": "story", "taken_at": TAKEN, "registers": registers})


def a_kiosk_meets_a_register(teller: Teller) -> None:
    rig = teller.rig
    reference.apply(rig.client, [expected(URN, "09:15"), expected(OTHER_URN, "09:30")])
    teller.title("A kiosk meets a register")
    teller.comes(
        f"At two schools the register of 5A says N for a pupil. At school {URN} the register closes at 09:15, at school"
        f" {OTHER_URN} at 09:30.",
        register(mark("P0", "/"), mark("P1", "N"), mark("P2", "I"), group_id="5A"),
        register(mark("P0", "/"), mark("P1", "N"), mark("P2", "I"), group_id="5A", urn=OTHER_URN),
    )
    teller.says(
        "At 09:20 that pupil signs in at the kiosk of each school, and so does one whom the register has down as ill."
        " The kiosk agent compares the time with the school's own."
    )
    events = [sign(urn, ref, TWENTY_PAST, key=f"{urn}-{ref}") for urn in (URN, OTHER_URN) for ref in ("P1", "P2")]
    with at_work(rig.settings, KioskAgent(rig.settings), f"story-{rig.group}"):
        send(rig, *events)
        await_that(
            lambda: rig.client.query("SELECT count() FROM mark_event WHERE source_kind = 'kiosk'").first_row == (4,)
        )
    teller.says(
        "In the **live** basis the sign-in stands for N, and for nothing else: U where the register had closed, L where"
        " it had not. A definite mark (I) stands, whatever a kiosk saw. The register's N stays visible."
    )
    teller.runs(
        "sql",
        "SELECT urn, canonical_code AS code, rule, statutory_source, statutory_code FROM marks_live"
        " WHERE session_date = '2025-09-10' ORDER BY urn, code",
    )
    teller.says("The **statutory** basis, the one of every publication, never sees the kiosk (rule 17):")
    teller.runs("report", "day", "--date", "2025-09-10", "--by", "school", "--all")
    teller.runs("report", "day", "--date", "2025-09-10", "--by", "school", "--all", "--basis", "live")


def two_systems_disagree(teller: Teller) -> None:
    reference.apply(teller.rig.client, [expected(URN, "09:15")])
    teller.title("Two systems say different things about one morning")
    teller.comes(
        "Of four pupils of 5A the register says /, N, I and /; the MIS says N, I, L and /.",
        register(mark("P0", "/"), mark("P1", "N"), mark("P2", "I"), mark("P3", "/"), group_id="5A"),
        page(*(record(f"r{n}", f"P{n}", code) for n, code in enumerate(["N", "I", "L", "/"])), taken_at=at(30)),
    )
    teller.says("What counts, what lost, and by which rule, for how many pupils; nobody is named:")
    teller.runs("ask", "conflicts", "--from", "2025-09-10")
    teller.comes(
        "The MIS takes back what it said about one of them. What the register said counts again; the conflict is over.",
        page(deletions=["r2"], taken_at=at(60), complete=False),
    )
    teller.runs("ask", "conflicts", "--from", "2025-09-10")
    teller.says("And current state is what the history says:")
    teller.runs("verify")


def four_questions(teller: Teller) -> None:
    rig = teller.rig
    reference.apply(rig.client, [expected(URN, "09:15"), expected(OTHER_URN, "09:15")])
    changed = {
        "item": 0, "original_code": "N", "reason_code": "parent", "staff_ref": "S1", "staff_position": "office",
        "evidence": "parent_message", "amended_at": at(60 * 24 * 14),
    }  # fmt: skip
    teller.title("Four questions about registers and marks")
    days = (DAY, date(2025, 9, 11), date(2025, 9, 12))
    teller.comes(
        "Three mornings of 5A at one school: submitted 12, 20 and 2 minutes after nine, where the register closes at"
        " 09:15; one pupil's N is amended two weeks later, another's is never explained.",
        *(
            register(
                *(mark(f"P{n}", "/") for n in range(28)), mark("P28", "N"), mark("P29", "N"), group_id="5A",
                session_date=day, submitted_at=at(60 * 24 * n + minutes), submission_id=f"story-{n}",
            )
            for n, (day, minutes) in enumerate(zip(days, (27, 35, 2), strict=True))
        ),
        register(
            mark("P28", "I"), group_id="5A", complete=False, amendments=[changed], submitted_at=at(60 * 24 * 14),
            submission_id="story-amended",
        ),
    )  # fmt: skip
    teller.says("Sessions without marks:")
    teller.runs("ask", "unmarked", "--from", "2025-09-10", "--to", "2025-09-10")
    teller.says("Amendments outside the window, and N that nobody explained within it:")
    teller.runs("ask", "amendments", "--from", "2025-09-10", "--to", "2025-09-12")
    teller.runs("ask", "unexplained", "--from", "2025-09-10", "--to", "2025-09-12", "--school", str(URN))
    teller.says("Groups that are mostly late with their register, and by how much:")
    teller.runs("ask", "late", "--from", "2025-09-10", "--to", "2025-09-12")


def a_figure_is_explained(teller: Teller) -> None:
    rig = teller.rig
    change = {
        "item": 0, "original_code": "N", "reason_code": "parent", "staff_ref": "S1", "staff_position": "office",
        "evidence": "parent_message", "amended_at": at(60),
    }  # fmt: skip
    teller.title("A figure is explained, down to the bytes")
    teller.comes(
        "A register says N for two pupils. One is amended an hour later; about the other the MIS says I.",
        register(mark("P0", "/"), mark("P1", "N"), mark("P2", "N"), group_id="5A", submission_id="story-first"),
    )
    rig.done(
        register(
            mark("P1", "L", minutes_late=12), group_id="5A", complete=False, amendments=[change], submitted_at=at(60),
            submission_id="story-second",
        ),
    )  # fmt: skip
    rig.done(page(record("r2", "P2", "I"), taken_at=at(90), pull_id="story-pull"))
    Archiver(rig.settings, rig.client).run(once=True)
    teller.says("An authority's absences, and the schools they are made of:")
    teller.runs("explain", "--date", "2025-09-10", "--la", "330", "--column", "absence")
    teller.says("The school's marks behind it, the rule that chose them, and what their message says:")
    teller.runs(
        "explain", "--date", "2025-09-10", "--school", str(URN), "--column", "absence", "--bytes",
    )  # fmt: skip
    teller.says("The story of the mark that was amended:")
    event = rig.client.query(
        "SELECT event_id FROM marks_current WHERE canonical_code = 'L' AND session_date = '2025-09-10'"
    ).first_row[0]
    teller.runs("explain", "mark", str(event), "--date", "2025-09-10")


STORIES = (
    a_kiosk_meets_a_register, two_systems_disagree, trusted.a_new_mis, trusted.the_roster_comes_late,
    trusted.a_child_under_two_numbers, trusted.a_school_becomes_an_academy, four_questions,
    a_figure_is_explained, trusted.registers_of_lessons_only,
)  # fmt: skip
