"""Rule 18: a complete pull takes back what its source holds no more, where the source tells of no deletions.

The runner's messages are put through the worker's own walk; `test_withdrawals_killed.py` has Kafka, ClickHouse and
processes that die.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from connectors.contract import Pull, Window
from connectors.contract import Source as School
from connectors.encoding import Encoder, days
from connectors.publisher import KafkaAway, Publisher
from connectors.refused import RefusedFolder
from connectors.runner import Pulled, Runner
from connectors.state import StateFolder
from connectors.withdrawals import Withdrawals
from schemas import wire
from tests.connectors.scripted import ScriptedConnector
from tests.streams.lab import Lab
from tests.streams.messages import DAY, NINE, PAGE, STUB_IDS, URN, at
from tests.streams.model import current, milliseconds

NEXT_DAY = DAY + timedelta(days=1)
EVERYTHING = Window(DAY, NEXT_DAY)


class _Sent:
    """Takes the place of Kafka and its encoder: what is delivered, until no more is taken."""

    knows_ids = True

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.takes: int | None = None

    def encode(self, topic: str, record: dict[str, Any]) -> bytes:
        return wire.encode(schemas.parsed(topic), STUB_IDS[topic], record)

    async def deliver(self, topic: str, key: bytes, value: bytes) -> None:
        if self.takes == 0:
            raise KafkaAway("no more is taken, in this test")
        if self.takes is not None:
            self.takes -= 1
        self.values.append(value)


class Source:
    """A source that changes, pulled onto one partition; what a worker makes of it, with suppression and without."""

    #: What its clock says of an instant: None where it says nothing of when a record was modified.
    skew: timedelta | None = timedelta()

    def __init__(self, folder: Path) -> None:
        self.now = NINE
        self.holds: dict[str, dict[str, Any]] = {}
        self.removed: dict[str, dict[str, Any]] = {}
        self.broken: int | None = None
        self.sent = _Sent()
        self.labs = (Lab(), Lab(suppress=False))
        self.folder, self._file = folder, folder / "script.json"

    def say(self, record: str, code: str = "/") -> None:
        """The source holds this from now on. r0 is of pupil P0, and so on; from r3 on they are of the next day."""
        self.removed.pop(record, None)
        self.holds[record] = {
            "record_id": record,
            "pupil_ref": f"P{record[1:]}",
            "pupil_scheme": "mis",
            "session_date": days(DAY if record < "r3" else NEXT_DAY),
            "session": "AM",
            "period": None,
            "code": code,
            "minutes_late": None,
            "modified_at": None if self.skew is None else milliseconds(self.now + self.skew),
            "changed": milliseconds(self.now),
        }

    def remove(self, record: str) -> None:
        if record in self.holds:
            self.removed[record] = self.holds.pop(record)

    def restore(self, record: str) -> None:
        """It is there again as it was, with the time it had: it had only been hidden."""
        if record in self.removed:
            self.holds[record] = self.removed.pop(record)

    def pull(self, window: Window | None = None, takes: int | None = None) -> Pulled:
        """Pull once, and give the worker what came of it. takes: so many messages, and Kafka is away."""
        self.now += timedelta(minutes=1)
        records = sorted(self.holds.values(), key=lambda record: record["record_id"])
        self._file.write_text(json.dumps({"records": records, "broken": self.broken}))
        self.sent.takes, before = takes, len(self.sent.values)
        runner = Runner(
            ScriptedConnector(self._file, URN),
            cast("Publisher", self.sent),
            cast("Encoder", self.sent),
            StateFolder(self.folder / "state"),
            RefusedFolder(self.folder / "refused"),
            now=lambda: self.now,
        )

        async def once() -> Pulled:
            (pulled,) = await runner.round(await ScriptedConnector(self._file, URN).discover(), window=window)
            return pulled

        pulled = asyncio.run(once())
        self.take(self.sent.values[before:])
        return pulled

    def take(self, values: Sequence[bytes]) -> None:
        """The worker takes these messages."""
        for lab in self.labs if values else ():
            lab.take_raw([(PAGE, str(URN).encode(), value) for value in values], arrived=self.now)

    def stands(self) -> dict[str, str]:
        """Record id to code of the marks that count, which suppression must not change."""
        found = [
            {f"r{ref[1:]}": mark.code for (_, ref, *_), mark in current(lab.accepted(), {"scripted": "mis"}).items()}
            for lab in self.labs
        ]
        assert found[0] == found[1], "suppression changes what counts"
        return found[0]

    def holding(self) -> dict[str, str]:
        """Record id to code of the marks that the source holds; blank is none (rule 3)."""
        return {record: held["code"] for record, held in self.holds.items() if held["code"]}

    def deletions(self) -> list[list[str]]:
        """What each message so far says is gone, of those that say so of anything."""
        writer = schemas.parsed(PAGE)
        said = [wire.decode(writer, value)["deletions"] for value in self.sent.values]
        return [gone for gone in said if gone]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    made = Source(tmp_path)
    for record in ("r0", "r1", "r2", "r3"):
        made.say(record)
    made.pull()
    return made


def test_a_complete_pull_withdraws_what_the_source_holds_no_more(source: Source) -> None:
    source.pull(EVERYTHING)
    assert source.deletions() == []
    source.remove("r1")
    pulled = source.pull(EVERYTHING)
    assert (pulled.outcome, pulled.deletions) == ("pulled", 1)
    assert source.stands() == {"r0": "/", "r2": "/", "r3": "/"}


def test_only_the_window_is_withdrawn(source: Source) -> None:
    source.remove("r0")
    source.remove("r3")
    source.pull(Window(NEXT_DAY, NEXT_DAY))
    assert source.deletions() == [["r3"]]
    assert source.stands() == {"r0": "/", "r1": "/", "r2": "/"}


def test_a_window_that_is_empty_now_withdraws_all_of_it(source: Source) -> None:
    for record in ("r0", "r1", "r2"):
        source.remove(record)
    source.pull(Window(DAY, DAY))
    assert source.stands() == {"r3": "/"}


def test_an_incremental_pull_withdraws_nothing(source: Source) -> None:
    source.remove("r1")
    source.say("r2", "N")
    source.pull()
    assert source.deletions() == []
    assert source.stands() == {"r0": "/", "r1": "/", "r2": "N", "r3": "/"}


def test_a_page_that_cannot_be_read_withdraws_nothing(source: Source) -> None:
    source.remove("r3")
    source.broken = 1
    assert source.pull(EVERYTHING).outcome == "incomplete"
    assert source.deletions() == []
    source.broken = None
    source.pull(EVERYTHING)
    assert source.deletions() == [["r3"]]


def test_a_record_that_cannot_be_read_withdraws_nothing_least_of_all_itself(source: Source) -> None:
    source.holds["r1"]["reason"] = "it cannot be read, in this test"
    source.remove("r3")
    assert source.pull(EVERYTHING).outcome == "pulled"
    assert source.deletions() == []
    assert source.stands() == {"r0": "/", "r1": "/", "r2": "/", "r3": "/"}


def test_a_pull_that_breaks_off_withdraws_nothing_and_the_next_one_does(source: Source) -> None:
    source.remove("r3")
    for takes in (0, 1):
        assert source.pull(EVERYTHING, takes=takes).outcome == "failed"
        assert source.deletions() == []
    source.pull(EVERYTHING)
    assert source.deletions() == [["r3"]]


def test_withdrawn_once_is_withdrawn(source: Source) -> None:
    source.remove("r1")
    for _ in range(3):
        source.pull(EVERYTHING)
    assert source.deletions() == [["r1"]]


def test_deletions_delivered_twice_are_deleted_once(source: Source) -> None:
    """The acknowledgement was lost, or the puller died before it noted it: Kafka has the page twice."""
    source.remove("r1")
    source.pull(EVERYTHING)
    source.take(source.sent.values[-1:])
    assert source.stands() == {"r0": "/", "r2": "/", "r3": "/"}
    assert [row["deleted"] for row in source.labs[0].tables.events].count(True) == 1


@pytest.mark.parametrize("skew", [None, timedelta(), timedelta(seconds=-90), timedelta(seconds=90)], ids=str)
def test_a_withdrawn_mark_that_comes_back_stands_again(tmp_path: Path, skew: timedelta | None) -> None:
    """Entered again, or shown again with the time it had before it was withdrawn; whatever the source's clock."""
    source = Source(tmp_path)
    source.skew = skew
    for record in ("r0", "r1", "r2"):
        source.say(record)
    source.pull()
    source.remove("r0")
    source.remove("r1")
    source.pull(EVERYTHING)
    assert source.stands() == {"r2": "/"}
    source.restore("r0")
    source.say("r1", "L")
    source.pull(EVERYTHING)
    assert source.stands() == {"r0": "/", "r1": "L", "r2": "/"}
    source.say("r0", "N")
    source.pull()
    source.remove("r1")
    source.pull(EVERYTHING)
    assert source.stands() == {"r0": "N", "r2": "/"}


def test_a_mark_dated_ahead_of_its_pull_is_withdrawn_all_the_same(tmp_path: Path) -> None:
    """The source's clock is five minutes ahead, and the record is gone a minute after it was said."""
    source = Source(tmp_path)
    source.skew = timedelta(minutes=5)
    source.say("r0")
    source.pull()
    source.remove("r0")
    source.pull(EVERYTHING)
    assert source.stands() == {}


def test_what_another_pull_says_meanwhile_is_not_withdrawn(tmp_path: Path) -> None:
    """A backfill runs beside the pulls of today: it has not seen what came after it had read the page."""
    folder = tmp_path / "said"
    backfill = _pull_at(NINE, EVERYTHING)
    first = Withdrawals(folder, _pull_at(at(-5)))
    first.saying([_mark("r0"), _mark("r1")])
    slow = Withdrawals(folder, backfill)
    slow.saying([_mark("r0")])
    today = Withdrawals(folder, _pull_at(at(1)))
    today.saying([_mark("r1", milliseconds(at(1))), _mark("r2")])
    assert slow.missing() == ["r1"], "a deletion of nine o'clock: it loses against what was said a minute later"
    slow.withdrawn()
    later = Withdrawals(folder, _pull_at(at(2), EVERYTHING))
    later.saying([_mark("r0")])
    assert later.missing() == ["r1", "r2"]


def test_what_was_said_survives_and_a_file_that_cannot_be_read_stops_the_school(source: Source) -> None:
    (file,) = (source.folder / "state" / "said" / "A1").glob(f"{days(NEXT_DAY)}.json")
    file.write_text('{"said": [')
    pulled = source.pull(EVERYTHING)
    assert pulled.outcome == "failed"
    assert str(file) in pulled.why
    assert source.deletions() == []


_RECORDS = st.sampled_from(["r0", "r1", "r3"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), _RECORDS, st.sampled_from(["/", "N", ""])),
        st.tuples(st.just("remove"), _RECORDS),
        st.tuples(st.just("restore"), _RECORDS),
        st.tuples(st.just("pull")),
        st.tuples(st.just("window")),
        st.tuples(st.just("broken"), st.integers(0, 2)),
        st.tuples(st.just("away"), st.integers(0, 3)),
        st.tuples(st.just("restart")),
    ),
    min_size=4,
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(_STEPS, st.sampled_from([None, timedelta(), timedelta(seconds=-90), timedelta(seconds=90)]))
def test_after_a_complete_pull_that_stands_which_the_source_holds(
    steps: list[tuple[Any, ...]], skew: timedelta | None
) -> None:
    """Whatever happened before: changes, clocks, pulls that saw a part, pulls that broke off, workers that forgot."""
    with tempfile.TemporaryDirectory() as folder:
        source = Source(Path(folder))
        source.skew = skew
        for record in ("r0", "r1", "r3"):
            source.say(record)
        for what, *facts in [("pull",), *steps, ("window",)]:
            before = len(source.deletions())
            if what in ("say", "remove", "restore"):
                getattr(source, what)(*facts)
            elif what == "restart":
                for lab in source.labs:
                    lab.restart()
            elif what == "window":
                assert source.pull(EVERYTHING).outcome == "pulled"
                assert source.stands() == source.holding()
            else:
                source.broken = facts[0] if what == "broken" else None
                source.pull(None if what == "pull" else EVERYTHING, takes=facts[0] if what == "away" else None)
                whole = what == "broken" and 2 * facts[0] >= len(source.holds)
                assert what == "away" or whole or len(source.deletions()) == before, "a part withdraws nothing"
                source.broken = None


def _pull_at(taken_at: datetime, window: Window | None = None) -> Pull:
    return Pull("p", School("A1", URN), taken_at, window=window)


def _mark(record: str, modified_at: int | None = None) -> dict[str, Any]:
    return {"record_id": record, "session_date": days(DAY), "modified_at": modified_at}
