"""A partition most of whose schools fail that passed before waits for reference data or schemas; no other one does."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import pytest

from schemas import wire
from schemas.registry import Registry, UnknownSchemaId
from sinks import reference
from streams.batch import Topic, TopicRange
from streams.brake import Brake, Judged
from streams.worker import Worker
from tests.reference.conftest import applied, calendar, pupil, roster, school
from tests.streams.messages import REGISTER, at, encode, mark, register
from tests.streams.quarantined import accounted
from tests.streams.rig import PATIENCE_S, Fate, Place, Rig
from tests.streams.town import PUPILS, roster_of

RANGE = TopicRange(Topic(REGISTER, "uuid", "register"), 3, 0, 9)
PLACE = (REGISTER, 3)


def judged(passed: set[int], refused: dict[int, int] | None = None) -> list[Judged]:
    return [Judged(passed, refused or {})]


@pytest.fixture
def brake() -> Brake:
    """Five schools have passed."""
    made = Brake()
    assert made.judge([RANGE], judged({1, 2, 3, 4, 5})) == []
    return made


def test_most_schools_of_a_partition_failing_stop_it(brake: Brake) -> None:
    assert brake.judge([RANGE], judged(set(), {1: 30, 2: 30})) == []
    assert brake.judge([RANGE], judged(set(), {3: 30})) == [PLACE]
    assert list(brake.waiting) == [PLACE]


def test_a_school_that_passes_again_does_not_fail(brake: Brake) -> None:
    brake.judge([RANGE], judged(set(), {1: 30, 2: 30}))
    assert brake.judge([RANGE], judged({1}, {3: 30})) == []
    assert brake.judge([RANGE], judged({4}, {4: 30, 5: 9})) == []
    assert brake.judge([RANGE], judged(set(), {5: 1})) == [PLACE]


def test_schools_that_never_passed_and_single_marks_are_no_reason(brake: Brake) -> None:
    assert brake.judge([RANGE], judged(set(), dict.fromkeys(range(100, 200), 30))) == []
    assert brake.judge([RANGE], judged(set(), dict.fromkeys((1, 2, 3, 4, 5), 9))) == []
    assert Brake().judge([RANGE], judged(set(), {1: 30, 2: 30, 3: 30})) == []


def test_two_schools_of_a_small_partition_do_not_stop_the_third() -> None:
    small = Brake()
    small.judge([RANGE], judged({1, 2, 3}))
    assert small.judge([RANGE], judged(set(), {1: 30, 2: 30})) == []


def test_when_it_goes_on_its_schools_are_judged_anew(brake: Brake) -> None:
    assert brake.judge([RANGE], judged(set(), {1: 30, 2: 30, 3: 30})) == [PLACE]
    brake.go_on(PLACE)
    assert not brake.waiting
    assert brake.judge([RANGE], judged(set(), {1: 30})) == []
    assert brake.judge([RANGE], judged(set(), {2: 30, 3: 30})) == [PLACE]


URNS = range(730_001, 730_031)


def make_known(rig: Rig) -> None:
    """The schools, before there is a worker: reference data that it took in later would let a partition go on."""
    for urn in URNS:
        of_it = [applied("school", school(urn)), applied("roster", roster_of(urn)), applied("calendar", calendar(urn))]
        reference.apply(rig.client, of_it)


def neighbours(rig: Rig, worker: Worker) -> list[int]:
    """Three known schools of one partition, each with a register taken in."""
    sent = rig.send(*(register(*(mark(ref) for ref in PUPILS[:12]), urn=urn) for urn in URNS))
    rig.settle(*sent)
    of: dict[int, list[int]] = defaultdict(list)
    for urn, place in zip(URNS, sent, strict=True):
        of[place.partition].append(urn)
    assert worker.not_ready() == {}
    return max(of.values(), key=len)


def await_brake(worker: Worker) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while "schools" not in worker.not_ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def goes_no_further(rig: Rig, place: Place) -> None:
    assert rig.positions()[place.topic, place.partition] <= place.offset


def test_schools_refused_whole_stop_their_partition_until_reference_data_comes(rig: Rig) -> None:
    make_known(rig)
    with rig.worker() as worker:
        urns = neighbours(rig, worker)
        strangers = [mark(f"stranger-{number}") for number in range(12)]
        bad = rig.send(*(register(*strangers, urn=urn, submitted_at=at(5)) for urn in urns))
        await_brake(worker)
        rig.settle(*bad)
        (good,) = rig.send(register(mark("P0", "N"), urn=urns[0], submitted_at=at(9)))
        rig.settle(*rig.send(register(mark("P1", "N"), submitted_at=at(9), urn=_elsewhere(rig, good))))
        goes_no_further(rig, good)
        reference.apply(rig.client, [applied("roster", roster(urns[0], pupil("mis:P0"), taken_at=at()))])
        rig.settle(good)
        assert rig.fates(good) == [Fate("accepted")]
        assert worker.not_ready() == {}
    accounted(rig)


def _elsewhere(rig: Rig, place: Place) -> int:
    """A known school of another partition."""
    return next(urn for urn in URNS if rig.partition_of(urn) != place.partition)


def test_messages_of_an_unknown_schema_stop_it_until_the_registry_knows_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deploy went to the senders before its schema went to the registry."""
    late, known, real = 999_998, [False], Registry.get

    def get(self: Registry, schema_id: int) -> Any:
        if schema_id != late:
            return real(self, schema_id)
        if not known[0]:
            raise UnknownSchemaId(str(schema_id))
        return real(self, rig.ids[REGISTER])

    monkeypatch.setattr(Registry, "get", get)
    make_known(rig)
    with rig.worker() as worker:
        urns = neighbours(rig, worker)
        deployed = [encode(register(mark("P0", "N"), urn=urn, submitted_at=at(5)), rig.ids) for urn in urns]
        sent = [
            (REGISTER, str(urn).encode(), wire.frame(late, value[wire.HEADER :]))
            for urn, value in zip(urns, deployed, strict=True)
        ]
        bad = rig.send_raw(*sent)
        await_brake(worker)
        rig.settle(*bad)
        (good,) = rig.send_raw(sent[0])
        goes_no_further(rig, good)
        known[0] = True
        rig.settle(good)
    assert rig.fates(bad[0]) == [Fate("unknown_schema")]
    assert rig.fates(good) == [Fate("accepted")]
    accounted(rig)
