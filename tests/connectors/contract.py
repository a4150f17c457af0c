"""The conformance suite of connectors: inherit it, say how to make the source, and every promise is checked.

    class TestMyMake(FollowsLinks, HttpConnectorContract):
        never_said = ("Forename-nowhere",)
        def source_with(self, marks, tmp_path, urn): return MySource(marks, urn)

`ConnectorContract` is for every source, `HttpConnectorContract` for one that is asked over HTTP, and `FollowsLinks`
comes on top where a page names the address of the next. What a make must provide is `MadeSource` (`HttpMadeSource`).
The messages say what a connector's author should do.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Reference, SourceStopped, Window
from connectors.encoding import Encoder
from connectors.held import Held
from connectors.publisher import KafkaAway, Publisher
from connectors.refused import RefusedFolder
from connectors.runner import Pulled, Runner
from connectors.state import StateFolder
from tests.connectors.conftest import ReadTopic
from tests.connectors.pull_child import connector_of
from tests.connectors.server import Answer, FakeServer

__all__ = [
    "BEGAN",
    "UPN",
    "ConnectorContract",
    "FollowsLinks",
    "HttpConnectorContract",
    "HttpMadeSource",
    "MadeSource",
    "Said",
]

MIS, ROSTER = "attendance.mis.v1", "reference.roster.v1"
#: When the marks that a source is made with were changed.
BEGAN = datetime(2025, 11, 5, 8, 0, tzinfo=UTC)
#: A UPN with its right check letter, of an establishment that there is not: a made source's pupil has it.
UPN = "A306999925001"
_DAY_ZERO = date(1970, 1, 1)
#: The fields of `attendance.mis.v1`'s marks; nothing else leaves a connector.
_MARK_FIELDS = {
    "record_id",
    "pupil_ref",
    "pupil_scheme",
    "session_date",
    "session",
    "period",
    "code",
    "minutes_late",
    "modified_at",
}
_NOVEMBER_3 = Window(date(2025, 11, 3), date(2025, 11, 3))


@dataclass(frozen=True)
class Said:
    """A mark that a test puts into the source. `day` is the school's own day."""

    record: str
    day: date
    session: str
    code: str


class MadeSource(ABC):
    """A source with known content: one school with one pupil at least, whose roster it knows.

    factory: "module:function" and the arguments (as JSON can say them) by which any process makes a connector of this
    source, with whatever closes it: `function(**arguments) -> (Connector, async close)`. `connector` is one of them.
    """

    def __init__(self, factory: str, **arguments: Any) -> None:
        self.factory, self.arguments = factory, arguments
        self.connector: Connector
        self.connector, self._close = connector_of(factory, arguments)

    @abstractmethod
    def say(self, mark: Said, changed: datetime) -> None:
        """From now on the source holds this mark, in place of what it held of the same record; it was changed then."""

    @abstractmethod
    def remove(self, record: str, changed: datetime) -> None:
        """From now on the source no longer holds this record; where the make tells of deletions, it tells of it."""

    @abstractmethod
    def refuse(self) -> None:
        """From now on the source does not let us in."""

    @abstractmethod
    def break_page(self, number: int) -> None:
        """From now on this page (from 0) of marks cannot be read: where pages are files, this file."""

    def kept_aside(self, reason: Path) -> bytes:
        """The bytes that could not be read, wherever they are kept; `reason` is the file that says why."""
        return reason.with_suffix(".body").read_bytes()

    @abstractmethod
    def repeat(self) -> None:
        """From now on the source says some of its records twice, as sources do where pages meet."""

    async def close(self) -> None:
        """Free what it holds."""
        await self._close()


class HttpMadeSource(MadeSource):
    """A source that is asked over HTTP. `marks_path` is the server's name of the resource that holds the marks."""

    marks_path: str

    def __init__(self, server: FakeServer, factory: str, **arguments: Any) -> None:
        self.server = server
        super().__init__(factory, **arguments)

    def trouble(self, *answers: Answer) -> None:
        """Answer the next questions for marks so, one after the other."""
        self.server.trouble.setdefault(self.marks_path, []).extend(answers)

    def refuse(self) -> None:
        self.server.refuses = 401

    def break_page(self, number: int) -> None:
        self.server.broken[self.marks_path] = number

    async def close(self) -> None:
        await super().close()
        self.server.close()


@dataclass
class Pulls:
    """Pulls a made source through the runner to real Kafka, with a clock that moves when it is told to."""

    made: MadeSource
    publisher: Any
    encoder: Encoder
    folder: Path
    now: datetime = BEGAN + timedelta(minutes=30)
    sources: list[Any] = field(default_factory=list)

    async def pull(self, window: Window | None = None, what: Any = "marks", held: Held | None = None) -> Pulled:
        self.sources = self.sources or list(await self.made.connector.discover())
        runner = Runner(
            self.made.connector,
            self.publisher,
            self.encoder,
            self.states,
            RefusedFolder(self.folder / "refused"),
            now=lambda: self.now,
        )
        of_days = None if held is None else {self.sources[0].id: held}
        (pulled,) = await runner.round(self.sources, window=window, what=what, held=of_days)
        return pulled

    @property
    def states(self) -> StateFolder:
        return StateFolder(self.folder / "state")

    @property
    def cursor(self) -> datetime | None:
        return self.states.load(self.sources[0].id).cursor

    @property
    def kept(self) -> list[Path]:
        """The files of refused pages and records."""
        return sorted((self.folder / "refused").rglob("*.json"))


#: Makes the pulls of a source.
StartPulls = Callable[[MadeSource], Pulls]


class ConnectorContract(ABC):
    """Every promise of `connectors.contract.Connector` that can be seen from outside."""

    #: Words that the source's records and rosters hold and no message may: names, comments, plain UPNs.
    never_said: Sequence[str] = ()
    #: Whether the make tells of deletions, as its class must say; if not, complete pulls do (rule 18).
    tells_deletions = True
    #: Whether what changed in some days is told reliably, with what is gone of them, as its class must say.
    tells_changes_of_days = False
    #: Whether every pull reads each day whole and for itself, as files do: then any of them withdraws (rule 18).
    days_are_whole = False
    #: Whether what stands behind a page that cannot be read can be reached.
    reads_on_behind_a_broken_page = True
    #: Whether a pull that broke off begins again; False: it goes on behind what Kafka has acknowledged.
    begins_again = True
    #: What the message of a refusal names, so that somebody knows what to look at.
    refusal_names = "token"
    #: Whether a page that cannot be read is kept with its bytes; False: the source's own file is put aside.
    keeps_bytes = True

    @abstractmethod
    def source_with(self, marks: Sequence[Said], tmp_path: Path, urn: int) -> MadeSource:
        """A source that holds these marks, two to a page, in this order, all changed at `BEGAN`."""

    marks = (
        Said("r1", date(2025, 9, 10), "AM", "/"),
        Said("r2", date(2025, 9, 10), "PM", "\\"),
        Said("r3", date(2025, 11, 3), "AM", "L"),
        Said("r4", date(2025, 11, 3), "PM", "no map knows me"),
        Said("r5", date(2025, 11, 4), "AM", ""),
    )

    def id_of(self, mark: Said) -> str:
        """What the connector calls the record of this mark: the source's own id, unless it makes one of its place."""
        return mark.record

    def ids(self, *records: str) -> list[str]:
        """What the connector calls these records of `marks`, or all of them."""
        return [self.id_of(mark) for mark in self.marks if not records or mark.record in records]

    @pytest.fixture
    def made(self, tmp_path: Path, urn: int) -> MadeSource:
        return self.source_with(self.marks, tmp_path, urn)

    @pytest.fixture
    def pulls(self, publisher: Publisher, encoder: Encoder, tmp_path: Path, made: MadeSource) -> Pulls:
        return Pulls(made, publisher, encoder, tmp_path / "connector")

    # What a connector says

    def test_every_mark_is_said_once_in_order_and_as_it_is(self, made: MadeSource) -> None:
        _, pages, bad = _read(made)
        said = [mark for page in pages for mark in page.marks]
        assert [mark["record_id"] for mark in said] == self.ids(), (
            "pull() must yield every page of the source, once, in the source's order"
        )
        assert [(mark["session"], mark["code"]) for mark in said] == [(one.session, one.code) for one in self.marks], (
            "to_message() must pass codes as they are, known or not (rule 2)"
        )
        assert not bad
        assert not any(page.refused for page in pages)

    def test_rule_8_the_day_is_the_day_it_says_in_summer_and_in_winter(self, made: MadeSource) -> None:
        said = [mark for page in _read(made)[1] for mark in page.marks]
        assert [_DAY_ZERO + timedelta(days=mark["session_date"]) for mark in said] == [one.day for one in self.marks], (
            "a date is the day that the source writes: date_as_written reads it, nothing may shift it"
        )

    def test_rule_27_nothing_else_leaves_the_source(self, made: MadeSource) -> None:
        _, pages, _ = _read(made)
        assert all(mark.keys() == _MARK_FIELDS for page in pages for mark in page.marks)
        assert not any(word in json.dumps([page.marks for page in pages], default=str) for word in self.never_said)

    def test_the_same_page_says_the_same_again(self, made: MadeSource) -> None:
        raw, pages, _ = _read(made)
        assert [made.connector.to_message(part, page) for part, page in raw] == pages, "to_message() must be pure"

    def test_a_window_is_those_days_and_no_other(self, made: MadeSource) -> None:
        _, pages, _ = _read(made, window=_NOVEMBER_3)
        assert [mark["record_id"] for page in pages for mark in page.marks] == self.ids("r3", "r4"), (
            "leave out what lies outside pull.window, whatever the source sends: connectors.records.read_page does"
        )

    def test_what_stands_twice_in_the_source_is_said_and_nothing_is_lost(self, made: MadeSource) -> None:
        made.repeat()
        said = [mark["record_id"] for page in _read(made)[1] for mark in page.marks]
        assert list(dict.fromkeys(said)) == self.ids()
        assert len(said) > len(self.marks), "the source of this test must say a record twice: see MadeSource.repeat"

    def test_a_page_that_cannot_be_read_is_told_and_the_rest_go_on(self, made: MadeSource) -> None:
        made.break_page(1)
        _, pages, bad = _read(made)
        assert len(bad) == 1, "a page that cannot be read must be yielded as BadPage"
        assert bad[0].reason
        assert bool(bad[0].body) == self.keeps_bytes, "keep the bytes, so that somebody can see what was wrong"
        said = [mark["record_id"] for page in pages for mark in page.marks]
        assert said == self.ids("r1", "r2", *(["r5"] if self.reads_on_behind_a_broken_page else []))

    def test_being_refused_stops_at_once(self, made: MadeSource) -> None:
        made.refuse()
        with pytest.raises(SourceStopped, match=self.refusal_names):
            _read(made)

    def test_check_says_that_it_is_refused_and_nothing_when_all_is_well(self, tmp_path: Path, urn: int) -> None:
        made = self.source_with(self.marks[:2], tmp_path / "well", urn)

        async def check() -> Sequence[str]:
            (source,) = await made.connector.discover()
            return await made.connector.check(source)

        assert list(_run(made, check())) == []
        made = self.source_with(self.marks[:2], tmp_path / "refused", urn)
        made.refuse()
        assert list(_run(made, check())), "check() must answer that it is refused, and not raise"

    # What reaches Kafka, and what is remembered

    def test_a_pull_reaches_kafka_as_the_schemas_have_it(self, pulls: Pulls, read_topic: ReadTopic, urn: int) -> None:
        pulled = _run(pulls.made, pulls.pull(what="all"))
        assert (pulled.outcome, pulled.marks, pulled.refused) == ("pulled", len(self.marks), 0)
        pages, (roster,) = read_topic(MIS, urn), read_topic(ROSTER, urn)
        assert _ids(pages) == self.ids()
        assert {page["source"] for page in pages} == {pulls.made.connector.name}
        said = json.dumps([pages, roster], default=str)
        assert not any(word in said for word in self.never_said), "a name, a comment or a plain UPN left (rule 27)"

    def test_the_roster_knows_the_pupils_of_the_marks(self, pulls: Pulls, read_topic: ReadTopic, urn: int) -> None:
        _run(pulls.made, pulls.pull(what="all"))
        (roster,) = read_topic(ROSTER, urn)
        refs = [{(ref["scheme"], ref["ref"]) for ref in pupil["refs"]} for pupil in roster["pupils"]]
        marked = {(mark["pupil_scheme"], mark["pupil_ref"]) for page in read_topic(MIS, urn) for mark in page["marks"]}
        assert marked <= set().union(*refs), "reference() must name pupils as to_message() does, or no mark finds one"
        assert any(scheme == "upn" for one in refs for scheme, _ in one), "a UPN goes as its keyed hash"
        assert all(pupil["enrolments"] and pupil["groups"] for pupil in roster["pupils"])

    def test_a_roster_is_published_again_only_when_it_changes(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int
    ) -> None:
        async def twice() -> None:
            await pulls.pull(what="roster")
            pulls.now += timedelta(hours=1)
            await pulls.pull(what="roster")

        _run(pulls.made, twice())
        assert len(read_topic(ROSTER, urn)) == 1, "the same roster must be the same message: order it"

    def test_the_cursor_moves_only_when_kafka_has_everything(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int
    ) -> None:
        """Kafka takes the first page and then no more: nothing of it is forgotten, and the next pull says all again."""
        reachable, pulls.publisher = pulls.publisher, _TakesOnly(pulls.publisher, 1)

        async def steps() -> None:
            assert (await pulls.pull()).outcome == "failed"
            assert pulls.cursor is None
            assert _ids(read_topic(MIS, urn)) == self.ids("r1", "r2")
            pulls.publisher = reachable
            assert (await pulls.pull()).outcome == "pulled"
            assert pulls.cursor == pulls.now

        _run(pulls.made, steps())
        assert _ids(read_topic(MIS, urn)) == [*self.ids("r1", "r2"), *self._after_the_first_page()]

    def test_a_page_is_acknowledged_when_kafka_has_it_and_never_before(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int
    ) -> None:
        """The connector is told of each page, in order, when all that it says is there; of reference data likewise."""
        connector, reachable = pulls.made.connector, pulls.publisher
        really, told, early = connector.acknowledged, [], []

        async def acknowledged(pull: Pull, what: Any) -> None:
            if isinstance(what, Page):
                said = [mark["record_id"] for mark in connector.to_message(pull, what).marks]
                early.extend(set(said) - set(_ids(read_topic(MIS, urn))))
                told.extend(said)
            elif isinstance(what, Reference):
                early.extend([] if read_topic(what.topic, urn) else [what.topic])
                told.extend(["roster"] if what.topic == ROSTER else [])
            await really(pull, what)

        connector.acknowledged = acknowledged  # type: ignore[method-assign]
        pulls.publisher = _TakesOnly(reachable, 1)

        async def steps() -> None:
            assert (await pulls.pull(what="all")).outcome == "failed"
            assert told == ["roster", *self.ids("r1", "r2")]
            pulls.publisher = reachable
            assert (await pulls.pull(what="all")).outcome == "pulled"

        _run(pulls.made, steps())
        assert told == ["roster", *self.ids("r1", "r2"), "roster", *self._after_the_first_page()]
        assert not early, "acknowledged before Kafka had it"

    def test_the_next_pull_says_what_changed_since(self, pulls: Pulls, read_topic: ReadTopic, urn: int) -> None:
        first, before = pulls.now, []

        async def steps() -> None:
            await pulls.pull()
            before.extend(read_topic(MIS, urn))
            pulls.made.say(replace(self.marks[2], code="N"), first + timedelta(minutes=10))
            pulls.now = first + timedelta(hours=1)
            assert (await pulls.pull()).outcome == "pulled"
            assert pulls.cursor == pulls.now

        _run(pulls.made, steps())
        later = read_topic(MIS, urn)[len(before) :]
        (changed,) = self.ids("r3")
        assert [mark["code"] for page in later for mark in page["marks"] if mark["record_id"] == changed] == ["N"]

    def test_a_change_in_the_overlap_before_the_last_pull_is_said_again(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int
    ) -> None:
        """A source commits late: what it dates shortly before the last pull, and that pull did not see, must come."""
        first = pulls.now

        async def steps() -> None:
            await pulls.pull()
            pulls.made.say(replace(self.marks[0], code="I"), first - timedelta(minutes=1))
            pulls.now = first + timedelta(hours=1)
            await pulls.pull()

        _run(pulls.made, steps())
        (changed,) = self.ids("r1")
        said = [mark for page in read_topic(MIS, urn) for mark in page["marks"] if mark["record_id"] == changed]
        assert said[-1]["code"] == "I", "ask for what changed from pull.since on, that instant included"

    def test_a_bounded_pull_leaves_the_cursor_alone(self, pulls: Pulls, read_topic: ReadTopic, urn: int) -> None:
        window: list[dict[str, Any]] = []

        async def bounded() -> None:
            before = len(read_topic(MIS, urn))
            assert (await pulls.pull(_NOVEMBER_3)).outcome == "pulled"
            window.extend(read_topic(MIS, urn)[before:])

        async def steps() -> None:
            await bounded()
            assert pulls.cursor is None
            await pulls.pull()
            cursor, pulls.now = pulls.cursor, pulls.now + timedelta(hours=1)
            await bounded()
            assert pulls.cursor == cursor

        _run(pulls.made, steps())
        assert _ids(window) == self.ids("r3", "r4") * 2, "what was pulled already must be there for a bounded pull too"
        assert all(page["complete"] for page in window)
        assert {(str(page["window_from"]), str(page["window_to"])) for page in window} == {("2025-11-03", "2025-11-03")}

    def test_rule_18_a_window_is_whole_only_when_every_page_was_seen(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int
    ) -> None:
        everything = Window(self.marks[0].day, self.marks[-1].day)
        found: list[list[dict[str, Any]]] = []

        async def bounded() -> str:
            before = len(read_topic(MIS, urn))
            outcome = (await pulls.pull(everything)).outcome
            found.append(read_topic(MIS, urn)[before:])
            return str(outcome)

        async def steps() -> None:
            assert await bounded() == "pulled"
            pulls.made.remove("r2", BEGAN + timedelta(minutes=1))
            pulls.now += timedelta(hours=1)
            assert await bounded() == "pulled"
            pulls.now += timedelta(hours=1)
            pulls.made.remove("r5", BEGAN + timedelta(minutes=1))
            pulls.made.break_page(1)
            assert await bounded() == "incomplete"

        _run(pulls.made, steps())
        whole, without, broken = found
        for pages in (whole, without):
            for of_one in _by_pull(pages):
                assert [page["last_page"] for page in of_one] == [False] * (len(of_one) - 1) + [True]
                assert [page["page"] for page in of_one] == list(range(len(of_one)))
        assert sorted(_ids(without)) == sorted(self.ids("r1", "r3", "r4", "r5")), (
            "what the source holds no more must not be said"
        )
        unseen = self.marks[2].day
        assert not any(page["last_page"] and page["window_from"] <= unseen <= page["window_to"] for page in broken), (
            "a page unseen is no proof that its marks are gone"
        )
        assert pulls.made.connector.sends_deletions == self.tells_deletions, "say so in `sends_deletions`"
        withdrawn = [[record for page in pages for record in page["deletions"]] for pages in found]
        last = self.ids("r5") if self.days_are_whole else []  # the day of r5 was read whole, whatever befell another
        assert self.tells_deletions or withdrawn == [[], self.ids("r2"), last], (
            "where the source tells of no deletions, a whole window withdraws what it held before; no other does"
        )

    def test_what_the_source_deletes_is_told_where_it_tells(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int
    ) -> None:
        first, before = pulls.now, []

        async def steps() -> None:
            await pulls.pull()
            before.extend(read_topic(MIS, urn))
            pulls.made.remove("r2", first + timedelta(minutes=1))
            pulls.now += timedelta(hours=1)
            assert (await pulls.pull()).outcome == "pulled"

        _run(pulls.made, steps())
        later = read_topic(MIS, urn)[len(before) :]
        told = [record for page in later for record in page["deletions"]]
        gone = self.ids("r2")
        tells = self.tells_deletions or self.days_are_whole
        assert told == (gone if tells else []), "name the record ids of what is gone in deletions"
        assert gone[0] not in _ids(later)

    def test_of_days_that_were_read_only_what_changed_is_read_where_the_make_can_say_that(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int
    ) -> None:
        assert pulls.made.connector.tells_changes_of_days == self.tells_changes_of_days, "say so in its class"
        first, held = pulls.now, Held()
        before: list[dict[str, Any]] = []

        async def steps() -> None:
            await pulls.pull(_NOVEMBER_3, held=held)
            assert len(held) == 2
            before.extend(read_topic(MIS, urn))
            changed = first + timedelta(minutes=1)
            for mark in (replace(self.marks[3], code="N"), replace(self.marks[4], code="N")):
                pulls.made.say(mark, changed)
            for record in ("r2", "r3"):
                pulls.made.remove(record, changed)
            pulls.now += timedelta(hours=1)
            held.since, held.whole = first, False
            pulled = await pulls.pull(_NOVEMBER_3, held=held)
            assert (pulled.outcome, pulled.only_changes) == ("pulled", self.tells_changes_of_days)
            assert len(held) == 1

        _run(pulls.made, steps())
        later = read_topic(MIS, urn)[len(before) :]
        assert _ids(later) == self.ids("r4"), "of these days, what changed from pull.since on"
        assert {page["complete"] for page in later} == {not self.tells_changes_of_days}
        assert {(str(page["window_from"]), str(page["window_to"])) for page in later} == {("2025-11-03", "2025-11-03")}
        assert later[-1]["last_page"]
        told = [record for page in later for record in page["deletions"]]
        # What tells of deletions, and not in a reading of the days, need not be relied on here.
        assert told == self.ids("r3") or (self.tells_deletions and not self.tells_changes_of_days)

    def test_a_page_that_stays_unreadable_is_kept_and_the_cursor_waits(self, pulls: Pulls) -> None:
        pulls.made.break_page(1)
        pulled = _run(pulls.made, pulls.pull())
        assert (pulled.outcome, pulled.refused) == ("incomplete", 1)
        assert pulls.cursor is None
        (kept,) = pulls.kept
        assert json.loads(kept.read_text())["bytes_kept"] == self.keeps_bytes
        assert pulls.made.kept_aside(kept)

    def test_kill_in_the_middle_of_a_pull_loses_and_skips_nothing(
        self, made: MadeSource, stack: Any, kafka: str, urn: int, read_topic: ReadTopic, tmp_path: Path
    ) -> None:
        """SIGKILL when the first page is on Kafka and the second about to be handed over; then the same pull again."""

        def child(*stop_after: str) -> list[str]:
            arguments = json.dumps(made.arguments)
            program = [sys.executable, "-m", "tests.connectors.pull_child", made.factory, arguments]
            return [*program, str(tmp_path / "child"), kafka, stack.registry, *stop_after]

        with subprocess.Popen(child("1"), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "stopped"
            process.send_signal(signal.SIGKILL)
        assert _ids(read_topic(MIS, urn)) == self.ids("r1", "r2")
        assert not list((tmp_path / "child").rglob("state/*.json")), "nothing may be remembered before all is on Kafka"
        done = subprocess.run(child(), capture_output=True, check=False, text=True, timeout=120)
        assert done.stdout.strip() == "pulled", done.stderr
        assert _ids(read_topic(MIS, urn)) == [*self.ids("r1", "r2"), *self._after_the_first_page()]
        _run(made, _nothing())

    def _after_the_first_page(self) -> list[str]:
        """What a pull says when the one before broke off with the first page on Kafka."""
        said = self.ids()
        return said if self.begins_again else said[2:]


#: What is waited out when it passes, and fails the pull when it stays. Silence ends after the patience of the tests.
_PASSING = {
    "429": Answer(429, {"Retry-After": "0"}),
    "500": Answer(500),
    "503": Answer(503, {"Retry-After": "0"}),
    "half a body": Answer(200, {}, b'{"value": [{"Id": 1}], "data": []}', cut=True),
    "no answer": Answer(silent=2.0),
}
_NO_PAGES = (
    b"",
    b"<html>Sign in</html>",
    b'{"data": [{"id": "A9',
    b"[]",
    b'"text"',
    b'{"error": "none"}',
    b"[" * 9_999,
)


class HttpConnectorContract(ConnectorContract):
    """What comes on top for a source that is asked over HTTP: each kind of trouble, as `connectors.http` has it.

    Its connectors must be made with `QUICK` of `tests.connectors.pull_child`, so that trouble is waited out quickly.
    """

    #: What a 404 of the marks means: the school has none (as where a resource is left out), or a wrong address.
    missing_marks_are_none = False

    @abstractmethod
    def source_with(self, marks: Sequence[Said], tmp_path: Path, urn: int) -> HttpMadeSource: ...

    @pytest.mark.parametrize("kind", _PASSING)
    def test_trouble_that_passes_is_waited_out(self, made: HttpMadeSource, kind: str) -> None:
        made.trouble(_PASSING[kind], _PASSING[kind])
        said = [mark["record_id"] for page in _read(made)[1] for mark in page.marks]
        assert said == self.ids()

    @pytest.mark.parametrize("kind", _PASSING)
    def test_trouble_that_stays_fails_the_pull_and_the_next_one_has_all(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int, kind: str
    ) -> None:
        made = pulls.made
        assert isinstance(made, HttpMadeSource)
        made.trouble(*[_PASSING[kind]] * 4)

        async def steps() -> None:
            pulled = await pulls.pull()
            assert pulled.outcome == "failed", "raise SourceError when the source stays away: the pull is not whole"
            assert "tried again at the next pull" in pulled.why
            assert pulls.cursor is None
            assert (await pulls.pull()).outcome == "pulled"

        _run(made, steps())
        assert _ids(read_topic(MIS, urn)) == self.ids()

    @pytest.mark.parametrize("status", [401, 403])
    def test_rule_27_a_refusal_stops_the_school_until_it_is_let_in_anew(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int, status: int
    ) -> None:
        made = pulls.made
        assert isinstance(made, HttpMadeSource)

        async def steps() -> None:
            await pulls.pull()
            cursor, made.server.refuses = pulls.cursor, status
            pulled = await pulls.pull()
            assert (pulled.outcome, pulled.refused) == ("stopped", 0), "raise SourceStopped, and drain nothing"
            assert str(status) in pulled.why
            asked, made.server.refuses = len(made.server.asked), None
            assert (await pulls.pull()).outcome == "stopped"
            assert len(made.server.asked) == asked, "a source that refused us is not asked again"
            assert pulls.cursor == cursor
            pulls.sources = [replace(pulls.sources[0], credential="another")]
            assert (await pulls.pull()).outcome == "pulled"

        _run(made, steps())

    @pytest.mark.parametrize("status", [302, 400, 422])
    def test_a_question_that_is_not_taken_is_not_asked_again(self, pulls: Pulls, status: int) -> None:
        made = pulls.made
        assert isinstance(made, HttpMadeSource)
        made.trouble(Answer(status, {"Location": "http://127.0.0.1:9/"}))
        pulled = _run(made, pulls.pull())
        assert pulled.outcome == "failed"
        assert str(status) in pulled.why, "the message must name the status"
        assert len(made.server.queries(made.marks_path)) == 1
        assert pulls.cursor is None

    def test_marks_that_are_not_there_are_none_or_an_error_that_says_so(self, pulls: Pulls) -> None:
        made = pulls.made
        assert isinstance(made, HttpMadeSource)
        made.trouble(Answer(404))
        pulled = _run(made, pulls.pull())
        assert len(made.server.queries(made.marks_path)) == 1
        if self.missing_marks_are_none:
            assert (pulled.outcome, pulled.marks, pulls.cursor) == ("pulled", 0, pulls.now)
        else:
            assert (pulled.outcome, pulls.cursor) == ("failed", None)
            assert "404" in pulled.why

    @pytest.mark.parametrize("body", _NO_PAGES, ids=lambda body: body[:12].decode())
    def test_what_is_no_page_is_asked_for_again_and_then_kept(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int, body: bytes
    ) -> None:
        made = pulls.made
        assert isinstance(made, HttpMadeSource)
        made.trouble(*[Answer(200, {}, body)] * 5)  # three times for the first pull, twice for the second

        async def steps() -> None:
            assert (await pulls.pull()).outcome == "incomplete"
            assert pulls.cursor is None
            (kept,) = pulls.kept
            assert kept.with_suffix(".body").read_bytes() == body
            pulls.now += timedelta(minutes=1)
            assert (await pulls.pull()).outcome == "pulled"

        _run(made, steps())
        assert _ids(read_topic(MIS, urn))[-len(self.marks) :] == self.ids()


class FollowsLinks(ABC):
    """For makes whose pages name the address of the next one: it is followed, and what lets us in stays at home."""

    @abstractmethod
    def page_that_leads_to(self, link: Any) -> bytes:
        """The body of a page without records whose next page is at `link`."""

    @pytest.mark.parametrize(
        ("link", "why"),
        [
            ("http://127.0.0.1:9/next?page=2", "another host"),
            ("//elsewhere.invalid/next", "another host"),
            ("http://[broken", "next page"),
            ({"not": "a link"}, "no address"),
        ],
    )
    def test_a_link_that_leads_astray_is_not_followed(self, pulls: Pulls, link: Any, why: str) -> None:
        made = pulls.made
        assert isinstance(made, HttpMadeSource)
        made.trouble(Answer(200, {}, self.page_that_leads_to(link)))
        pulled = _run(made, pulls.pull())
        assert pulled.outcome == "failed"
        assert why in pulled.why
        assert pulls.cursor is None

    def test_pages_that_go_round_in_a_circle_fail_the_pull(self, pulls: Pulls) -> None:
        made = pulls.made
        assert isinstance(made, HttpMadeSource)
        turn = Answer(200, {}, self.page_that_leads_to(f"{made.server.origin}/round"))
        made.trouble(turn)
        made.server.trouble[made.server.path_of("/round")] = [turn]
        pulled = _run(made, pulls.pull())
        assert pulled.outcome == "failed"
        assert "circle" in pulled.why


class _TakesOnly:
    """Kafka that acknowledges so many pages and is then away."""

    def __init__(self, publisher: Publisher, pages: int) -> None:
        self._publisher, self._left = publisher, pages

    async def deliver(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        if topic == MIS:
            if not self._left:
                raise KafkaAway("Kafka is away, in this test")
            self._left -= 1
        return await self._publisher.deliver(topic, key, value)


def _pull(made: MadeSource, window: Window | None = None) -> Pull:
    async def first() -> Any:
        return (await made.connector.discover())[0]

    return Pull("p", asyncio.run(first()), datetime(2025, 11, 5, tzinfo=UTC), window=window)


def _read(
    made: MadeSource, window: Window | None = None
) -> tuple[list[tuple[Pull, Page]], list[MarksPage], list[BadPage]]:
    """Every page with the part of the pull it belongs to, what each says, and the pages that cannot be read."""
    pull = _pull(made, window)

    async def everything() -> tuple[list[tuple[Pull, Page]], list[MarksPage], list[BadPage]]:
        raw: list[tuple[Pull, Page]] = []
        bad: list[BadPage] = []
        async for part in made.connector.parts(pull):
            async for page in made.connector.pull(part):
                if isinstance(page, BadPage):
                    bad.append(page)
                else:
                    raw.append((part, page))
        return raw, [made.connector.to_message(part, page) for part, page in raw], bad

    return _run(made, everything())


def _run(made: MadeSource, work: Awaitable[Any]) -> Any:
    async def and_close() -> Any:
        try:
            return await work
        finally:
            await made.close()

    return asyncio.run(and_close())


async def _nothing() -> None:
    """Nothing is done before the source is closed."""


def _by_pull(pages: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for page in pages:
        found.setdefault(page["pull_id"], []).append(page)
    return list(found.values())


def _ids(pages: Sequence[Any]) -> list[str]:
    return [mark["record_id"] for page in pages for mark in page["marks"]]
