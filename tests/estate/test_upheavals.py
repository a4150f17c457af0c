"""What changes at a trust on the day: the truth follows, and only by what is known of each change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors.estate import reference
from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.known import World, world_of
from connectors.estate.marks import Arrival
from connectors.estate.messages import PupilRefs
from connectors.estate.outcomes import ReferenceModel, feed
from connectors.estate.upheavals import Upheavals
from rollcall.domain import lesson_rules, source_rules

DAY = date(2025, 9, 10)
BEFORE = date(2025, 9, 9)
_EVENING_MS = round(datetime(2025, 9, 10, 21, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def turned() -> Estate:
    """Twelve schools that all post registers, with everything that may change."""
    estate = Estate.make(4, 12, 2_400, [DAY], Dirt.none(), ahead_of=date(2025, 10, 1), feeds="register")
    estate.upheavals = Upheavals.at(estate)
    return estate


def messages(estate: Estate, refs: PupilRefs) -> Iterator[tuple[Arrival, dict[str, Any]]]:
    """What the schools send, in order, as it would stand on one partition."""
    said = [one for tick in estate.script.submissions for one in tick]
    for offset, one in enumerate(said):
        yield Arrival("attendance.register.v1", 0, offset, _EVENING_MS), one.record(refs)


def standing(world: World, said: Iterable[tuple[Arrival, dict[str, Any]]]) -> dict[Any, str]:
    current = feed(ReferenceModel(world), said).current()
    return {key: mark.raw_code for key, mark in current.items()}


def test_what_stands_is_the_truth_when_everything_that_changed_is_known(turned: Estate, refs: PupilRefs) -> None:
    assert standing(world_of(turned, refs), messages(turned, refs)) == turned.script.end


@pytest.mark.parametrize("forgotten", ["aliases", "systems", "lives", "windows"])
def test_whoever_does_not_know_of_one_change_gets_another_truth(
    turned: Estate, refs: PupilRefs, forgotten: str
) -> None:
    """What keeps the demo honest: each change decides marks."""
    world = replace(world_of(turned, refs), **{forgotten: {}})
    assert standing(world, messages(turned, refs)) != turned.script.end


@pytest.fixture
def lasting() -> Estate:
    """Two days of four schools, as the torture has them."""
    estate = Estate.make(4, 4, 800, [BEFORE, DAY], Dirt.none(), ahead_of=date(2025, 10, 1))
    estate.upheavals = Upheavals.lasting(estate)
    return estate


def test_what_holds_every_day_decides_marks_of_every_day(lasting: Estate, refs: PupilRefs) -> None:
    """Nobody is away: what stands of the posting schools is the truth, and without knowing of one change it is not."""
    assert lasting.upheavals
    lasting.upheavals = lasting.upheavals.back(len(lasting.pupils))
    posting = {school.urn for school in lasting.schools if not school.pulled}
    truth = {key: code for key, code in lasting.script.end.items() if key[0] in posting}
    world = world_of(lasting, refs)
    assert standing(world, messages(lasting, refs)) == truth
    for forgotten in ("aliases", "systems", "windows"):
        stands = standing(replace(world, **{forgotten: {}}), messages(lasting, refs))
        assert {key[2] for key in truth.keys() | stands.keys() if truth.get(key) != stands.get(key)} == {BEFORE, DAY}


def test_marks_of_pupils_who_are_on_no_roster_yet_stand_for_nothing(lasting: Estate, refs: PupilRefs) -> None:
    assert lasting.upheavals
    assert lasting.upheavals.away
    stands = standing(world_of(lasting, refs), messages(lasting, refs))
    assert not {pupil for _, pupil, _, _ in stands} & lasting.upheavals.away


def test_the_old_school_keeps_its_last_day_and_the_new_one_begins_on_the_next(turned: Estate) -> None:
    changes = turned.upheavals
    assert changes
    assert changes.converted
    assert changes.predecessor
    assert changes.before == BEFORE
    days = {urn: {day for school, _, day, _ in turned.script.end if school == urn} for urn in turned.by_urn}
    assert days[changes.predecessor.urn] == {BEFORE}
    assert days[changes.converted.urn] == {DAY}


def test_from_noon_on_the_new_system_speaks_and_the_old_one_only_corrects(turned: Estate) -> None:
    changes = turned.upheavals
    assert changes
    assert changes.moved
    by_tick = [{one.source for one in tick if one.urn == changes.moved.urn} for tick in turned.script.submissions]
    assert by_tick[0] == {changes.moved.source}
    assert by_tick[2] == {changes.system}
    assert by_tick[3] == {changes.moved.source}


def test_its_rules_may_be_published(turned: Estate) -> None:
    assert turned.upheavals
    assert turned.upheavals.by_lessons
    source_rules.check(turned.upheavals.rules())
    lesson_rules.check(turned.upheavals.by_lessons.urn, turned.upheavals.lesson_rules())


def test_the_roster_of_the_late_school_is_not_published_with_the_others(turned: Estate, refs: PupilRefs) -> None:
    changes = turned.upheavals
    assert changes
    assert changes.late
    said = {int(one.key) for one in reference.records(turned, refs) if one.topic == "reference.roster.v1"}
    assert said == set(turned.by_urn) - {changes.late.urn}


def test_who_left_yesterday_is_on_roll_until_then_under_the_number_that_is_another_childs_now(
    turned: Estate, refs: PupilRefs
) -> None:
    changes = turned.upheavals
    assert changes
    assert changes.split
    record = reference.roster(turned, changes.split.school, refs, datetime.now(UTC))
    (entry,) = [one for one in record["pupils"] if {"scheme": "mis", "ref": changes.split.ref} in one["refs"]]
    assert {one["last_day"] for one in entry["enrolments"]} == {BEFORE}


def test_changes_are_of_one_day_and_a_small_trust_goes_without_some(refs: PupilRefs) -> None:
    with pytest.raises(ValueError, match="one day"):
        Upheavals.at(Estate.make(4, 8, 800, [BEFORE, DAY], ahead_of=date(2025, 10, 1)))
    small = Estate.make(4, 2, 60, [DAY], Dirt.none(), ahead_of=date(2025, 10, 1), feeds="register")
    small.upheavals = Upheavals.at(small)
    assert (small.upheavals.late, small.upheavals.merged) == (None, None)
    assert standing(world_of(small, refs), messages(small, refs)) == small.script.end
