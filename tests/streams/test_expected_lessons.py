"""Marks of lessons that the timetable does not have (rules 1, 7): refused, and taken in with the timetable that has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from sinks import reference
from streams.healing import Healing
from tests.reference.conftest import applied
from tests.streams.messages import DAY, OTHER_URN, URN, at, mark, page, record, register
from tests.streams.quarantined import Stands, accounted, stands, still_open
from tests.streams.rig import Fate, Rig

TAKEN, REFUSED = [Fate("accepted")], [Fate("no_expected_register")]


def timetable(rig: Rig, minutes: int, *lessons: tuple[str, date, date | None], urn: int = URN) -> None:
    """Bring a timetable in force, as the loader does: a session's register and lessons (name, first and last day)."""
    registers = [
        {
            "group_id": "7A", "session": "AM", "period": name, "opens_at": "09:00", "closes_at": "09:15",
            "weekdays": [1, 2, 3, 4, 5], "valid_from": first, "valid_to": last,
        }
        for name, first, last in [(None, date(2024, 9, 1), None), *lessons]
    ]  # fmt: skip
    record = {"urn": urn, "source": "test", "taken_at": at(minutes), "registers": registers}
    reference.apply(rig.client, [applied("register", record)])


def lesson(name: str | None, ref: str = "P0", **facts: Any) -> dict[str, Any]:
    """A register of a lesson; of the session when None."""
    return register(mark(ref), period=name, **facts)


@pytest.fixture
def healing(rig: Rig) -> Iterator[Healing]:
    made = Healing(rig.settings, rig.client)
    yield made
    made.close()


def test_a_lesson_that_the_timetable_does_not_have_is_refused_and_heals_with_the_timetable_that_has(
    rig: Rig, healing: Healing
) -> None:
    timetable(rig, 1, ("P1", date(2025, 9, 1), None))
    with rig.worker():
        pulled = page(record("a", "P0", period="P9"), record("b", "P0", period="P1"), record("c", "P0"))
        places = rig.send(lesson("P1"), lesson("P9"), lesson(None), pulled)
        rig.settle(*places)
        assert [rig.fates(place) for place in places] == [TAKEN, REFUSED, TAKEN, [*REFUSED, *TAKEN, *TAKEN]]
        assert rig.current() == {(URN, "P0", "AM"): ("mis", "/", "/")}
        healing.sweep()
        assert rig.replays() == []
        timetable(rig, 2, ("P1", date(2025, 9, 1), None), ("P9", date(2025, 9, 1), None))
        healing.sweep()
        rig.settle(*rig.replays())
        assert stands(rig, places[1]) == {0: Stands("taken", "no_expected_register", 1)}
        assert still_open(rig) == []
        rows = rig.client.query("SELECT period, source, sources FROM period_marks ORDER BY ALL").result_rows
        assert rows == [("P1", "mis", 2), ("P9", "mis", 2)]
        assert rig.counts(URN) == {("AM", "/"): 1}
    accounted(rig)


def test_a_timetable_says_nothing_of_lessons_of_a_date_for_which_it_has_none_nor_of_another_school(rig: Rig) -> None:
    timetable(rig, 1, ("P1", date(2025, 9, 1), date(2025, 9, 10)), ("P2", date(2025, 9, 10), date(2025, 9, 11)))
    timetable(rig, 1, urn=OTHER_URN)
    asked = [
        ("P1", DAY, TAKEN), ("P2", DAY, TAKEN), ("P3", DAY, REFUSED),
        ("P1", date(2025, 9, 11), REFUSED), ("P2", date(2025, 9, 11), TAKEN),
        ("P3", date(2025, 9, 12), TAKEN),
    ]  # fmt: skip
    with rig.worker():
        messages = [lesson(name, session_date=day, submitted_at=at(4_000)) for name, day, _ in asked]
        assert rig.done(*messages) == [fate for *_, fate in asked]
        assert rig.done(lesson("P3", urn=OTHER_URN)) == [TAKEN]


def test_what_is_wrong_with_the_pupil_is_said_before_what_is_wrong_with_the_lesson(rig: Rig) -> None:
    timetable(rig, 1, ("P1", date(2025, 9, 1), None))
    with rig.worker():
        assert rig.done(lesson("P9", "NOBODY")) == [[Fate("unknown_pupil")]]


def test_a_lesson_that_stood_stays_when_a_later_timetable_has_it_no_more_and_its_deletion_is_taken(rig: Rig) -> None:
    timetable(rig, 1, ("P1", date(2025, 9, 1), None))
    with rig.worker():
        assert rig.done(page(record("a", "P0", period="P1"))) == [TAKEN]
    timetable(rig, 2, ("P2", date(2025, 9, 1), None))
    with rig.worker():
        assert rig.done(page(record("b", "P1", period="P1"), taken_at=at(5), complete=False)) == [REFUSED]
        assert rig.client.query("SELECT count() FROM period_marks").first_row == (1,)
        assert rig.done(page(deletions=["a"], taken_at=at(10), complete=False)) == [TAKEN]
        assert rig.client.query("SELECT count() FROM period_marks").first_row == (0,)
    rig.check()
