"""Marks that came before the data they refer to come in by themselves when it is there: a sweep, and no command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.encoding import Encoder
from connectors.publisher import Publisher
from rollcall.failpoints import REPLAY_POINTS
from schemas.registry import Registry, UnknownSchemaId
from sinks import reference
from sinks.quarantine_trail import steps
from streams.agents.healing import HealingAgent
from streams.healing import Healing
from streams.reference import Loader
from tests.reference.conftest import TAKEN, applied, calendar, pupil, roster, school
from tests.streams.agents_at_work import at_work
from tests.streams.loading import loader
from tests.streams.messages import REGISTER, URN, at, mark, page, record, register
from tests.streams.quarantined import Stands, accounted, history, stands, still_open
from tests.streams.rig import PATIENCE_S, Fate, Place, Rig
from tests.streams.town import PUPILS, UNKNOWN, roster_of

#: Schools that no reference data speaks of until their test publishes it; Kafka is shared, so each is of one test.
LATE_URN, KILLED_URN, HEARD_URN = 710_001, 710_002, 710_003


def await_that(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.1)


def publish(rig: Rig, topic: str, said: dict[str, Any]) -> None:
    """Put reference data on its topic."""
    encoder = Encoder(rig.settings.registry.url)
    with Publisher(rig.settings.kafka.client_config()) as publisher:
        publisher.publish(topic, str(said["urn"]).encode(), encoder.encode(topic, said)).result()


def morning(urn: int) -> list[dict[str, Any]]:
    """A morning before anything is known of the school, and what is wrong with it for good."""
    return [
        register(mark("A"), mark("B", "N"), mark("NOBODY"), mark("C", "X" * 200), urn=urn),
        register(mark("B", "L", minutes_late=9), urn=urn, submitted_at=at(20), complete=False),
        page(record("r-a", "A", "/"), record("r-c", "C", "/"), urn=urn, taken_at=at(30)),
        page(urn=urn, taken_at=at(40), complete=False, deletions=["r-c", "never seen"]),
    ]


def later_roster(urn: int) -> dict[str, Any]:
    return roster(urn, pupil("mis:A"), pupil("mis:B"), pupil("mis:C"))


def sent_rows(rig: Rig) -> int:
    return int(rig.client.query("SELECT count() FROM quarantine_trail FINAL WHERE what = 'sent'").result_rows[0][0])


def nothing_to_heal(rig: Rig) -> bool:
    """A sweep would find nothing, and nothing is on its way."""
    rows = rig.client.query("SELECT count() FROM quarantine_open WHERE sent_at > 0").result_rows
    return bool(rows == [(0,)])


WRONG = [("malformed_code", 1), ("unknown_pupil", 1), ("unknown_record", 1)]


def is_the_truth(rig: Rig, urn: int) -> bool:
    """As if the school's reference data had been there first: what stands, and what is left in quarantine."""
    current = {ref: said for (of, ref, _), said in rig.current().items() if of == urn}
    wanted = {"A": ("mis", "/", "/"), "B": ("classroom", "L", "L")}
    return current == wanted and still_open(rig) == WRONG


def test_marks_before_school_roster_and_calendar_come_in_by_themselves(rig: Rig) -> None:
    """The data comes piece by piece. In the end the state is the truth, quarantine holds what is wrong for good, and
    the story of a mark tells each step."""
    with rig.worker(), loader(rig):
        places = rig.send(*morning(LATE_URN))
        rig.settle(*places)
        assert still_open(rig) == [("malformed_code", 1), ("unknown_school", 8)]
        publish(rig, "reference.school.v1", school(LATE_URN))
        await_that(lambda: still_open(rig) == [("malformed_code", 1), ("unknown_pupil", 6), ("unknown_record", 2)])
        publish(rig, "reference.calendar.v1", calendar(LATE_URN))
        publish(rig, "reference.roster.v1", later_roster(LATE_URN))
        await_that(lambda: is_the_truth(rig, LATE_URN))
        await_that(lambda: nothing_to_heal(rig))
    assert stands(rig, places[0])[0] == Stands("taken", "unknown_pupil", 2)
    told = steps(rig.client, rig.topics[REGISTER].uuid, places[0].partition, places[0].offset)
    assert [(one.what, one.by, one.outcome) for one in told if one.item == 0] == [
        ("sent", "healing", ""), ("judged", "healing", "unknown_pupil"),
        ("sent", "healing", ""), ("judged", "healing", "accepted"),
    ]  # fmt: skip
    assert max(one.attempts for place in places for one in stands(rig, place).values()) == 2
    accounted(rig)


@pytest.mark.parametrize("point", REPLAY_POINTS)
def test_a_sweep_that_is_killed_is_made_again_and_counts_nothing_twice(rig: Rig, point: str) -> None:
    """kill -9 of the loader while it sweeps; then another one, and the worker."""
    urn = KILLED_URN + 10 * (1 + REPLAY_POINTS.index(point))
    with rig.worker():
        places = rig.send(*morning(urn))
        rig.settle(*places)
        reference.apply(
            rig.client,
            [applied("school", school(urn)), applied("calendar", calendar(urn)), applied("roster", later_roster(urn))],
        )
        dying = subprocess.run(
            [sys.executable, "-m", "rollcall.cli", "reference", "run", "--once"],
            env={
                **os.environ, "ROLLCALL_HOME": str(rig.home), "ROLLCALL_CLICKHOUSE__DATABASE": rig.database,
                "ROLLCALL_FAILPOINT": point,
            },
            capture_output=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert dying.returncode == -9, dying.stderr.decode()[-2000:]
        with loader(rig):
            await_that(lambda: is_the_truth(rig, urn))
            await_that(lambda: nothing_to_heal(rig))
    assert sorted(history(rig, *rig.replays())) == [
        (0, "", 1), (0, "/", 1), (0, "/", 1), (0, "L", 1), (1, "/", 1), (1, "N", 1),
    ]  # fmt: skip
    accounted(rig)


def test_the_agent_starts_the_sweep_when_reference_data_comes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader's own sweep does not run here: the agent's alone heals."""
    monkeypatch.setattr(Loader, "_heal", lambda _: None)
    with rig.worker(), loader(rig), at_work(rig.settings, HealingAgent(rig.settings), f"test-{uuid.uuid4().hex}"):
        (place,) = rig.send(register(mark("A"), urn=HEARD_URN))
        rig.settle(place)
        publish(rig, "reference.school.v1", school(HEARD_URN))
        publish(rig, "reference.roster.v1", roster(HEARD_URN, pupil("mis:A")))
        await_that(lambda: stands(rig, place)[0].state == "taken")
    accounted(rig)


def roster_of_hour(hour: int, *refs: str) -> Any:
    taken_at = TAKEN.replace(hour=hour)
    return applied("roster", roster_of(URN, *(pupil(f"mis:{ref}") for ref in refs), taken_at=taken_at))


def swept(rig: Rig, healing: Healing) -> list[Place]:
    """Where the replays of a sweep stand."""
    before = set(rig.replays())
    healing.sweep()
    return [place for place in rig.replays() if place not in before]


@pytest.fixture
def healing(rig: Rig) -> Iterator[Healing]:
    made = Healing(rig.settings, rig.client)
    yield made
    made.close()


def test_an_entry_is_tried_once_for_each_version_of_its_school(rig: Rig, healing: Healing) -> None:
    with rig.worker():
        places = rig.send(register(mark("LATER"), mark(UNKNOWN)), register(mark("P0", "X" * 200), submitted_at=at(1)))
        rig.settle(*places)
        assert swept(rig, healing) == []
        reference.apply(rig.client, [roster_of_hour(9, "LATER")])
        first = swept(rig, healing)
        assert swept(rig, healing) == []  # on its way
        rig.settle(*first)
        assert len(first) == 1
        assert swept(rig, healing) == []  # judged by this roster
        assert stands(rig, places[0]) == {0: Stands("taken", "unknown_pupil", 1), 1: Stands("open", "unknown_pupil", 1)}
        reference.apply(
            rig.client, [applied("code-map", _map()), applied("calendar", calendar(URN, TAKEN.replace(day=2)))]
        )
        assert swept(rig, healing) == []
        reference.apply(rig.client, [roster_of_hour(10, "LATER", UNKNOWN)])
        rig.settle(*swept(rig, healing))
    assert still_open(rig) == [("malformed_code", 1)]
    accounted(rig)


def _map() -> dict[str, Any]:
    from tests.streams.town import national

    return national(2, ("8", "I"))


def test_a_replay_is_judged_by_the_reference_data_it_was_sent_for(
    rig: Rig, healing: Healing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker looks for reference data now and then; before a replay it looks, however lately it did."""
    monkeypatch.setattr("streams.worker._REFERENCE_EVERY_S", 3_600.0)
    with rig.worker():
        (place,) = rig.send(register(mark(UNKNOWN)))
        rig.settle(place)
        reference.apply(rig.client, [roster_of_hour(9, UNKNOWN)])
        rig.settle(*swept(rig, healing))
    assert stands(rig, place) == {0: Stands("taken", "unknown_pupil", 1)}
    accounted(rig)


def test_what_an_older_world_refused_though_the_roster_had_come_is_tried(
    rig: Rig, healing: Healing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race that must strand nothing: refused after the roster was applied, by a worker that had not looked yet."""
    monkeypatch.setattr("streams.worker._REFERENCE_EVERY_S", 3_600.0)
    with rig.worker():
        rig.done(register(mark("P0")))
        reference.apply(rig.client, [roster_of_hour(9, UNKNOWN)])
        (place,) = rig.send(register(mark(UNKNOWN), submitted_at=at(1)))
        rig.settle(place)
        assert rig.fates(place) == [Fate("unknown_pupil")]
        rig.settle(*swept(rig, healing))
    assert stands(rig, place)[0].state == "taken"


def test_a_date_of_another_academic_year_heals_with_its_calendar(rig: Rig, healing: Healing) -> None:
    with rig.worker():
        (place,) = rig.send(register(mark(PUPILS[0]), session_date=at().date().replace(year=2026)))
        rig.settle(place)
        assert still_open(rig) == [("date_out_of_range", 1)]
        reference.apply(rig.client, [roster_of_hour(9)])
        assert swept(rig, healing) == []
        reference.apply(rig.client, [applied("calendar", calendar(URN, year=2026))])
        rig.settle(*swept(rig, healing))
    assert stands(rig, place)[0].state == "taken"
    accounted(rig)


def test_a_message_of_a_schema_that_was_registered_later_heals_whole(
    rig: Rig, healing: Healing, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, real = [False], Registry.get

    def get(self: Registry, schema_id: int) -> Any:
        if not known[0]:
            raise UnknownSchemaId(str(schema_id))
        return real(self, schema_id)

    monkeypatch.setattr(Registry, "get", get)
    with rig.worker():
        (place,) = rig.send(register(mark("P0"), mark("P1")))
        rig.settle(place)
        assert swept(rig, healing) == []
        known[0] = True
        (again,) = swept(rig, healing)
        rig.settle(again)
        assert swept(rig, healing) == []
    assert rig.fates(again) == [Fate("accepted"), Fate("accepted")]
    assert stands(rig, place) == {-1: Stands("taken", "unknown_schema", 1)}
    assert still_open(rig) == []
    accounted(rig)
