"""Pulls sources through any connector onto Kafka, and remembers how far: the one place that moves a cursor.

The walk of a pull, for one source:

1. reference data that changed is published, and its fingerprint remembered;
2. each page is read, put in our words, handed to Kafka, and the acknowledgement awaited, in the source's order;
3. what cannot be read is kept (`connectors.refused`) before anything goes on;
   (where the make tells of no deletions, a whole window ends with what is missing in it: `connectors.withdrawals`)
4. when all of it is on Kafka, and every page could be read, the cursor becomes the instant at which the pull began.

The connector is told of every reference and page that Kafka has acknowledged (`Connector.acknowledged`). A pull may be
made of several (`Connector.parts`): steps 2 and 3 are walked for each in turn.

Killed before 4, the next pull begins at the old cursor and says the same again: nothing is lost, repeats are harmless.

Before every page, while it is waited for, and before anything is sent, it is asked whether the school still permits us
(rule 27). Once it does not, the pull ends there, and what was read and not yet sent is not sent.

A pull of a window neither reads nor moves the cursor, nor any other state but the fingerprints of reference data: it
may run beside the pulls that do. One of whose days is known what was said of them (`connectors.held`) reads only what
changed since, where the make can say that: its pages are of the window, and not complete.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog

from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Reference, Source, SourceStopped, Window
from connectors.cursor_age import CursorAge
from connectors.encoding import Encoder, RegistryAway, days, milliseconds
from connectors.held import Held
from connectors.permission import NotPermitted, Permission
from connectors.publisher import Publisher
from connectors.refused import RefusedFolder
from connectors.state import SourceState, StateFolder
from connectors.withdrawals import Withdrawals
from rollcall import metrics
from rollcall.domain.clock import to_the_millisecond
from rollcall.errors import RollcallError

__all__ = ["OVERLAP", "Outcome", "Pulled", "Runner", "What"]

log = structlog.get_logger()

TOPIC = "attendance.mis.v1"
#: A pull reads again what changed this long before the last one began: clocks differ, and a source commits late.
OVERLAP = timedelta(minutes=2)
#: Marks of one message at most: a page of a source that gives more is sent in parts.
_MARKS_A_MESSAGE = 1_000
#: How long the acknowledgement of a message is still waited for when its pull is given up (s).
_SETTLING_SECONDS = 5.0

Outcome = Literal["pulled", "incomplete", "stopped", "failed"]
What = Literal["all", "roster", "marks"]


@dataclass(slots=True)
class Pulled:
    """What became of one source's pull. `why` is one line for a person, empty when it was pulled whole.

    only_changes: of a window only what changed was read.
    """

    source: Source
    outcome: Outcome = "pulled"
    why: str = ""
    references: int = 0
    pages: int = 0
    marks: int = 0
    deletions: int = 0
    refused: int = 0
    only_changes: bool = False
    #: `Page.place`, as the pages said it.
    place: str | None = None


class Runner:
    """Runs one connector's pulls. Safe to run for many sources at once; of the runners that share a state folder only
    one at a time may pull a school without a window.

    at_once: so many sources are pulled at the same time; one that fails or waits holds up none of the others.
    why_not: why a source may not be pulled at this moment, None when it may (`connectors.permission`).
    """

    def __init__(
        self,
        connector: Connector,
        publisher: Publisher,
        encoder: Encoder,
        state: StateFolder,
        refused: RefusedFolder,
        *,
        at_once: int = 8,
        overlap: timedelta = OVERLAP,
        why_not: Callable[[Source], str | None] = lambda _source: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connector = connector
        self._publisher = publisher
        self._encoder = encoder
        self._state = state
        self._refused = refused
        self._gate = asyncio.Semaphore(at_once)
        self._overlap = overlap
        self._permission = Permission(why_not)
        self._now = now
        self._age = CursorAge(connector.name, state)

    async def round(
        self,
        sources: Sequence[Source],
        *,
        window: Window | None = None,
        what: What = "all",
        snapshot: str | None = None,
        tick: datetime | None = None,
        held: Mapping[str, Held] | None = None,
        done: Callable[[Pulled], None] = lambda _pulled: None,
    ) -> list[Pulled]:
        """Pull every source once; `done` is told of each as it ends. The result is in the order of `sources`.

        snapshot: the cut that its pages are for, `<name>/<cut>`. tick: the instant that the pulls are named after, when
        somebody asked for them (the same again has the same id then); else the one they begin at. held: with a window,
        by source id, what was said of these days before; it is brought up to date. Raises nothing for a source that
        fails, or whose state cannot be read or kept: its `Pulled` says so. Cancelled, `done` is told of the pulls that
        are given up by it: they are incomplete, and say how much of them is on Kafka.
        """

        async def one(source: Source) -> Pulled:
            pulled = Pulled(source)
            try:
                async with self._gate:
                    await self._pull_and_report(
                        pulled, _Asked(window, what, snapshot, tick, (held or {}).get(source.id))
                    )
            except asyncio.CancelledError:
                pulled.outcome, pulled.why = "incomplete", "given up"
                raise
            finally:
                done(pulled)
            return pulled

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(source)) for source in sources]
        if window is None:
            self._age.tell(self._now())
        return [task.result() for task in tasks]

    async def _pull_and_report(self, pulled: Pulled, asked: _Asked) -> None:
        source = pulled.source
        name, window, what = self._connector.name, asked.window, asked.what
        try:
            state = self._state.load(source.id)
            if state.stopped is not None and state.credential == source.credential:
                pulled.outcome, pulled.why = "stopped", state.stopped
                return
            if state.cursor is not None:
                self._age.met(source.id, state.cursor)
            pull = self._begin(source, state, asked)
            pulled.only_changes = window is not None and not pull.complete
            if asked.held is not None:
                asked.held.begin(whole=pull.complete)
            if what != "marks":
                await self._publish_references(pull, state, pulled)
            if what != "roster":
                whole = True
                async for part in self._connector.parts(pull):
                    whole = await self._publish_marks(part, asked.held, pulled) and whole
                if not whole:
                    pulled.outcome = "incomplete"
                    pulled.why = "a page could not be read and is kept; the cursor stays, and the next pull reads again"
                elif window is None:
                    place = pulled.place or state.place
                    self._state.change(source.id, lambda now: replace(now, cursor=pull.taken_at, place=place))
                    self._age.met(source.id, pull.taken_at)
            if window is None and state.stopped is not None:
                self._state.change(source.id, lambda now: replace(now, stopped=None, credential=None))
        except NotPermitted as error:
            pulled.outcome, pulled.why = "stopped", str(error)
            log.warning("pull_not_permitted", connector=name, school=source.id, urn=source.urn, why=str(error))
        except SourceStopped as error:
            metrics.CONNECTOR_PAGES.labels(connector=name, outcome="refused").inc()
            pulled.outcome, pulled.why = "stopped", str(error)
            log.error("source_stopped", connector=name, school=source.id, urn=source.urn, why=str(error))
            if window is None:
                self._stop(pulled)
        except (RollcallError, RegistryAway, OSError) as error:
            pulled.outcome, pulled.why = "failed", _why(error)
            log.warning("pull_failed", connector=name, school=source.id, urn=source.urn, why=pulled.why)
        except Exception as error:
            pulled.outcome, pulled.why = "failed", f"unforeseen: {type(error).__name__}; the log says where"
            log.error("pull_broken", connector=name, school=source.id, urn=source.urn, exc_info=error)

    def _stop(self, pulled: Pulled) -> None:
        """Remember that the source refused us, so that it is left alone until its secret is another one."""
        source = pulled.source
        try:
            self._state.change(source.id, lambda now: replace(now, stopped=pulled.why, credential=source.credential))
        except (RollcallError, OSError) as error:
            log.error("state_not_kept", connector=self._connector.name, school=source.id, why=_why(error))

    def _begin(self, source: Source, state: SourceState, asked: _Asked) -> Pull:
        taken_at = to_the_millisecond(self._now())
        window, tick, snapshot, held = asked.window, asked.tick, asked.snapshot, asked.held
        since = gone_since = None
        if window is None:
            since = None if state.cursor is None else state.cursor - self._overlap
        elif held is not None and held.since is not None and self._connector.tells_changes_of_days:
            gone_since = held.since - self._overlap
            since = None if held.whole else gone_since
        return Pull(
            id=_pull_id(self._connector.name, source, taken_at)
            if tick is None
            else _pull_id(self._connector.name, source, tick, window, snapshot),
            source=source,
            taken_at=taken_at,
            since=since,
            window=window,
            snapshot=snapshot,
            place=None if window is not None else state.place,
            gone_since=gone_since,
        )

    async def _publish_references(self, pull: Pull, state: SourceState, pulled: Pulled) -> None:
        async with aclosing(self._permission.during(pull.source, self._connector.reference(pull))) as references:
            async for reference in references:
                place = f"{reference.topic}|{reference.key}"
                fingerprint = _fingerprint(reference)
                if state.published.get(place) != fingerprint:
                    await self._deliver(pull.source, reference.topic, reference.key, reference.record)
                    self._state.change(pull.source.id, _published(place, fingerprint))
                    pulled.references += 1
                await self._connector.acknowledged(pull, reference)

    async def _publish_marks(self, pull: Pull, of_days: Held | None, pulled: Pulled) -> bool:
        """Steps 2 and 3. Whether every page could be read."""
        every_page, every_record = True, True
        withdrawals = None if self._connector.sends_deletions else Withdrawals(self._state.said, pull)
        held: dict[str, Any] | None = None  # one message is held back: only the end tells which is the last
        told: list[Page | BadPage] = []  # read, and not all of what they say acknowledged
        number = 0
        async with aclosing(self._permission.during(pull.source, self._connector.pull(pull))) as pages:
            async for page in pages:
                if isinstance(page, BadPage):
                    every_page = False
                    self._keep_page(pull, page, pulled)
                    told.append(page)
                    continue
                pulled.place = page.place or pulled.place
                said = self._connector.to_message(pull, page)
                if said.refused:
                    every_record = False
                    self._keep_records(pull, page, said, pulled)
                if withdrawals is not None:
                    said = replace(said, marks=withdrawals.saying(said.marks))
                if of_days is not None:
                    said = of_days.saying(pull, said)
                for part in _parts(said):
                    if held is not None:
                        await self._publish_page(pull, held, pulled)
                        await self._acknowledged(pull, told)
                    held = self._record(pull, number, part)
                    number += 1
                told.append(page)
        if withdrawals is not None and pull.complete and every_page and every_record:
            for part in _parts(MarksPage(deletions=withdrawals.missing())):
                if held is not None:
                    await self._publish_page(pull, held, pulled)
                    await self._acknowledged(pull, told)
                held = self._record(pull, number, part)
                number += 1
        if held is None and pull.window is not None:
            # Of a window it is news that it is empty, or that nothing in it changed; else nothing changed is none.
            held = self._record(pull, number, MarksPage())
        if held is not None:
            # "The last page" says that all was seen, and what is missing is gone: not so when something was refused.
            held["last_page"] = every_page and every_record
            await self._publish_page(pull, held, pulled)
        if withdrawals is not None:
            withdrawals.withdrawn()
        await self._acknowledged(pull, told)
        return every_page

    async def _acknowledged(self, pull: Pull, told: list[Page | BadPage]) -> None:
        """Tell the connector that all of these are on Kafka, or kept; then they are told."""
        for page in told:
            await self._connector.acknowledged(pull, page)
        told.clear()

    def _keep_page(self, pull: Pull, bad: BadPage, pulled: Pulled) -> None:
        kept = self._refused.keep_page(pull, bad)
        pulled.refused += 1
        metrics.CONNECTOR_PAGES.labels(connector=self._connector.name, outcome="unparsable").inc()
        log.error("page_unreadable", school=pull.source.id, resource=bad.resource, why=bad.reason, kept=kept)

    def _keep_records(self, pull: Pull, page: Page, said: MarksPage, pulled: Pulled) -> None:
        kept = self._refused.keep_records(pull, page, said.refused)
        pulled.refused += len(said.refused)
        metrics.CONNECTOR_PAGES.labels(connector=self._connector.name, outcome="unparsable").inc()
        why = sorted({refusal.reason for refusal in said.refused})
        log.error("records_unreadable", school=pull.source.id, records=len(said.refused), why=why, kept=kept)

    async def _publish_page(self, pull: Pull, record: dict[str, Any], pulled: Pulled) -> None:
        """Given up meanwhile, it is counted all the same if Kafka has it: what was handed over cannot be taken back."""
        delivery = asyncio.ensure_future(self._deliver(pull.source, TOPIC, str(pull.source.urn), record))
        try:
            await asyncio.shield(delivery)
        except asyncio.CancelledError:
            settled, _ = await asyncio.wait({delivery}, timeout=_SETTLING_SECONDS)
            if settled and not delivery.cancelled() and delivery.exception() is None:
                self._count(record, pulled)
            delivery.add_done_callback(lambda one: one.cancelled() or one.exception())  # whatever it is, nobody waits
            raise
        self._count(record, pulled)

    def _count(self, record: dict[str, Any], pulled: Pulled) -> None:
        metrics.CONNECTOR_PAGES.labels(connector=self._connector.name, outcome="published").inc()
        pulled.pages += 1
        pulled.marks += len(record["marks"])
        pulled.deletions += len(record["deletions"])

    def _record(self, pull: Pull, number: int, said: MarksPage) -> dict[str, Any]:
        window = pull.window
        return {
            "pull_id": pull.id,
            "snapshot": pull.snapshot,
            "urn": pull.source.urn,
            "source": self._connector.name,
            "complete": pull.complete,
            "window_from": None if window is None else days(window.first_day),
            "window_to": None if window is None else days(window.last_day),
            "page": number,
            "last_page": False,
            "taken_at": milliseconds(pull.taken_at),
            "code_scheme": pull.source.code_scheme,
            "marks": list(said.marks),
            "deletions": list(said.deletions),
        }

    async def _deliver(self, source: Source, topic: str, key: str, record: Mapping[str, Any]) -> None:
        if not self._encoder.knows_ids:
            await asyncio.to_thread(self._encoder.ready)
        self._permission.demand(source)
        await self._publisher.deliver(topic, key.encode("ascii"), self._encoder.encode(topic, dict(record)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of `Runner.round` is of one source."""

    window: Window | None
    what: What
    snapshot: str | None
    tick: datetime | None
    held: Held | None


def _pull_id(name: str, source: Source, at: datetime, window: Window | None = None, snapshot: str | None = None) -> str:
    """A function of what is asked for. Window and snapshot are named where other pulls may have the same instant."""
    named = [name, source.id, f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z"]
    named += [] if window is None else [f"{window.first_day}..{window.last_day}"]
    return ":".join([*named, *([] if snapshot is None else [snapshot])])


def _parts(said: MarksPage) -> list[MarksPage]:
    """A page as messages of at most `_MARKS_A_MESSAGE` marks, its deletions in the last."""
    size = _MARKS_A_MESSAGE
    parts = [MarksPage(marks=said.marks[start : start + size]) for start in range(0, len(said.marks), size)]
    parts += [
        MarksPage(deletions=said.deletions[start : start + size]) for start in range(0, len(said.deletions), size)
    ]
    return parts


def _why(error: Exception) -> str:
    """One line for a person: our own errors have one, a library's message may quote what it choked on."""
    if isinstance(error, RollcallError):
        return str(error)
    if isinstance(error, RegistryAway):
        return "the schema registry does not answer"
    return f"state or refused pages cannot be kept ({type(error).__name__}): is the disk full?"


def _published(place: str, fingerprint: str) -> Callable[[SourceState], SourceState]:
    return lambda now: replace(now, published={**now.published, place: fingerprint})


def _fingerprint(reference: Reference) -> str:
    content = {name: value for name, value in reference.record.items() if name != "taken_at"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
