"""Sign-ins of merged and split pupils: in the live basis they count for whom their marks count for; no figure moves."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from rollcall.domain.pupil_aliases import PupilAlias, merge, split
from sinks import reference
from sinks.derive import rederive_aliases
from sinks.mark_stories import story
from sinks.reports import day_report
from sinks.verify import verify
from tests.streams.messages import DAY, OTHER_URN, Here, at, evidence, mark, register
from tests.streams.rig import Rig
from tests.streams.test_aliases import publication, published, pupil

NEXT_DAY = DAY + timedelta(days=1)
#: A system whose ids are its own.
DESK = "front-desk"


def live(rig: Rig) -> set[tuple[int, str, str, str]]:
    """(pupil_id, code, rule, statutory code) of the live basis."""
    return set(rig.here("SELECT pupil_id, canonical_code, rule, statutory_code FROM marks_live WHERE urn ="))


def statutory(rig: Rig) -> Any:
    """What counts, and the counts, without a kiosk."""
    marks = rig.here("SELECT pupil_id, source, canonical_code FROM mark_current FINAL WHERE is_mark AND urn =")
    return sorted(marks), rig.counts(Here.urn)


def counted(rig: Rig, view: str) -> dict[str, int]:
    """Marks by code of a view of counts; codes of none left out."""
    rows = rig.here(f"SELECT canonical_code, marks FROM {view} WHERE urn =")
    return dict(sum((Counter({code: marks}) for code, marks in rows if marks), Counter()))


def test_a_sign_in_of_a_merged_pupil_meets_the_registers_n_until_the_merge_is_undone(working: Rig) -> None:
    one, two = pupil("P0"), pupil("P1")
    working.done(register(mark("P1", "N"), mark("P2", "/")), evidence("P0", "L", at(20)))
    before, untouched = live(working), statutory(working)
    assert before == {
        (one, "L", "kiosk_for_missing", ""),
        (two, "N", "statutory", "N"),
        (pupil("P2"), "/", "statutory", "/"),
    }
    published(working, one, merge(two))
    assert live(working) == {(two, "L", "kiosk_for_n", "N"), (pupil("P2"), "/", "statutory", "/")}
    assert counted(working, "session_counts_live") == {"L": 1, "/": 1}
    assert counted(working, "session_counts") == {"N": 1, "/": 1}
    assert statutory(working) == untouched
    published(working, one)
    assert (live(working), statutory(working)) == (before, untouched)
    assert verify(working.client).equal


def test_a_sign_in_of_a_merged_pupil_gives_way_to_a_definite_mark_and_the_first_of_two_stands(working: Rig) -> None:
    one, two = pupil("P0"), pupil("P1")
    working.done(
        register(mark("P1", "I"), mark("P2", "N")),
        evidence("P0", "L", at(20)), evidence("P2", "U", at(90)), evidence("P3", "/", at(-5)),
    )  # fmt: skip
    published(working, one, merge(two))
    published(working, pupil("P3"), merge(pupil("P2")))
    assert live(working) == {(two, "I", "statutory", "I"), (pupil("P2"), "/", "kiosk_for_n", "N")}
    assert counted(working, "session_counts_live") == {"I": 1, "/": 1}


def test_a_merged_pupil_who_signed_in_under_the_old_number_is_not_missing_in_the_live_basis(working: Rig) -> None:
    working.done(register(mark("P2", "/")), evidence("P0", "/", at(-5)))

    def missing(basis: Any) -> int:
        found = day_report(working.client, DAY, "school", headline=False, basis=basis)
        return next(line.missing_marks for line in found.lines if line.key == str(Here.urn))

    assert missing("statutory") - missing("live") == 1
    published(working, pupil("P0"), merge(pupil("P1")))
    assert missing("statutory") - missing("live") == 1


def test_the_story_of_a_merged_pupils_sign_in_says_for_whom_it_counts(working: Rig) -> None:
    one, two = pupil("P0"), pupil("P1")
    working.done(register(mark("P1", "N")), evidence("P0", "L", at(20)))
    published(working, one, merge(two))
    ((event_id,),) = working.here("SELECT event_id FROM mark_event FINAL WHERE source_kind = 'kiosk' AND urn =")
    told = story(working.client, event_id, DAY)
    assert told.live == ((two, event_id, "kiosk_for_n"),)
    assert [one.did for one in told.steps if one.delivery.event_id == event_id] == ["counts_live"]


def test_a_sign_in_counts_for_the_very_pupil_that_a_mark_of_its_system_counts_for(working: Rig) -> None:
    """The live basis reads aliases by itself; derive is what it must agree with: by school, system, dates, version."""
    pupils = [f"P{n}" for n in range(24)]
    for day in (DAY, NEXT_DAY):
        working.done(
            register(*(mark(ref, "N") for ref in pupils), session_date=day, source=DESK),
            *(evidence(ref, "U", at(90), session_date=day, source=DESK) for ref in pupils),
        )
    bounded = {"first_day": NEXT_DAY, "last_day": date(2025, 12, 31)}
    earlier = PupilAlias(pupil("P12"), "merge", last_day=date(2025, 9, 3))
    publications: list[tuple[str, list[PupilAlias]]] = [
        ("P0", [merge(pupil("P1"))]),
        ("P2", [split(pupil("P2"), first_day=NEXT_DAY)]),
        ("P3", [split(pupil("P3"), source=DESK)]),
        ("P4", [split(pupil("P4"), source="mis")]),
        ("P5", [PupilAlias(pupil("P6"), "merge", urn=Here.urn)]),
        ("P7", [PupilAlias(pupil("P8"), "merge", urn=OTHER_URN)]),
        ("P9", [PupilAlias(pupil("P10"), "merge", **bounded)]),
        ("P11", [earlier, PupilAlias(pupil("P12"), "merge", **bounded)]),
        # Another since; undone; two into one; and a chain, of which the first waits.
        ("P13", [merge(pupil("P14"))]),
        ("P13", [merge(pupil("P15"))]),
        ("P16", [merge(pupil("P17"))]),
        ("P16", []),
        ("P18", [merge(pupil("P19"))]),
        ("P20", [merge(pupil("P19"))]),
        ("P21", [merge(pupil("P22"))]),
        ("P22", [merge(pupil("P23"))]),
    ]
    for ref, aliases in publications:
        reference.apply(working.client, [publication(pupil(ref), *aliases)])
    rederive_aliases(working.client)
    marks = working.here("SELECT session_date, pupil_id FROM mark_current FINAL WHERE is_mark AND urn =")
    seen = working.here("SELECT session_date, pupil_id, replaces FROM evidence_standing WHERE urn =")
    assert sorted(seen) == sorted((*key, "N") for key in marks)
    assert len(marks) == 2 * len(pupils) - 14
    assert counted(working, "session_counts_live") == {"U": len(marks)}
