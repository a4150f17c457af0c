"""Pulls sources through any connector onto Kafka, and remembers how far: the one place that moves a cursor.

The walk of a pull, for one source:

1. reference data that changed is published, and its fingerprint remembered;
2. each page is read, put in our words, handed to Kafka, and the acknowledgement awaited, in the source's order;
3. what cannot be read is kept (`connectors.refused`) before anything goes on;
4. when all of it is on Kafka, and every page could be read, the cursor becomes the instant at which the pull began.

Killed before 4, the next pull begins at the old cursor and says the same again: nothing is lost, repeats are harmless.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog

from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Reference, Source, SourceStopped, Window
from connectors.encoding import Encoder, RegistryAway, days, milliseconds
from connectors.publisher import Publisher
from connectors.refused import RefusedFolder
from connectors.state import SourceState, StateFolder
from rollcall import metrics
from rollcall.errors import RollcallError

__all__ = ["OVERLAP", "Pulled", "Runner"]

log = structlog.get_logger()

TOPIC = "attendance.mis.v1"
#: A pull reads again what changed this long before the last one began: clocks differ, and a source commits late.
OVERLAP = timedelta(minutes=2)
#: Marks of one message at most: a page of a source that gives more is sent in parts.
_MARKS_A_MESSAGE = 1_000

Outcome = Literal["pulled", "incomplete", "stopped", "failed"]
What = Literal["all", "roster", "marks"]


@dataclass(slots=True)
class Pulled:
    """What became of one source's pull. `why` is one line for a person, empty when it was pulled whole."""

    source: Source
    outcome: Outcome = "pulled"
    why: str = ""
    references: int = 0
    pages: int = 0
    marks: int = 0
    deletions: int = 0
    refused: int = 0
    #: `Page.place`, as the pages said it.
    place: str | None = None


class Runner:
    """Runs one connector's pulls. Safe to run for many sources at once; two runners must not share a state folder.

    at_once: so many sources are pulled at the same time; one that fails or waits holds up none of the others.
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
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connector = connector
        self._publisher = publisher
        self._encoder = encoder
        self._state = state
        self._refused = refused
        self._gate = asyncio.Semaphore(at_once)
        self._overlap = overlap
        self._now = now
        #: The cursor of every source met, by its id: for the metric of how far behind the oldest is.
        self._cursors: dict[str, datetime] = {}

    async def round(
        self,
        sources: Sequence[Source],
        *,
        window: Window | None = None,
        what: What = "all",
        done: Callable[[Pulled], None] = lambda _pulled: None,
    ) -> list[Pulled]:
        """Pull every source once; `done` is told of each as it ends. The result is in the order of `sources`.

        Raises nothing for a source that fails, or whose state cannot be read or kept: its `Pulled` says so.
        """

        async def one(source: Source) -> Pulled:
            async with self._gate:
                pulled = await self._pull_and_report(source, window, what)
            done(pulled)
            return pulled

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(source)) for source in sources]
        self._tell_cursor_age()
        return [task.result() for task in tasks]

    async def _pull_and_report(self, source: Source, window: Window | None, what: What) -> Pulled:
        pulled = Pulled(source)
        name = self._connector.name
        try:
            state = self._state.load(source.id)
            if state.stopped is not None and state.credential == source.credential:
                pulled.outcome, pulled.why = "stopped", state.stopped
                return pulled
            if state.cursor is not None:
                self._cursors[source.id] = state.cursor
            pull = self._begin(source, state, window)
            if what != "marks":
                state = await self._publish_references(pull, state, pulled)
            if what != "roster":
                whole = await self._publish_marks(pull, pulled)
                if not whole:
                    pulled.outcome = "incomplete"
                    pulled.why = "a page could not be read and is kept; the cursor stays, and it is asked for again"
                elif window is None:
                    state = replace(state, cursor=pull.taken_at, place=pulled.place)
                    self._cursors[source.id] = pull.taken_at
            self._state.save(source.id, replace(state, stopped=None, credential=None))
        except SourceStopped as error:
            metrics.CONNECTOR_PAGES.labels(connector=name, outcome="refused").inc()
            pulled.outcome, pulled.why = "stopped", str(error)
            stopped = replace(self._state.load(source.id), stopped=str(error), credential=source.credential)
            self._state.save(source.id, stopped)
            log.error("source_stopped", connector=name, school=source.id, urn=source.urn, why=str(error))
        except (RollcallError, RegistryAway, OSError) as error:
            pulled.outcome, pulled.why = "failed", _why(error)
            log.warning("pull_failed", connector=name, school=source.id, urn=source.urn, why=pulled.why)
        except Exception as error:
            pulled.outcome, pulled.why = "failed", f"unforeseen: {type(error).__name__}; the log says where"
            log.error("pull_broken", connector=name, school=source.id, urn=source.urn, exc_info=error)
        return pulled

    def _begin(self, source: Source, state: SourceState, window: Window | None) -> Pull:
        now = self._now()
        taken_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
        return Pull(
            id=f"{self._connector.name}:{source.id}:{taken_at:%Y%m%dT%H%M%S}.{taken_at.microsecond // 1000:03d}Z",
            source=source,
            taken_at=taken_at,
            since=None if window is not None or state.cursor is None else state.cursor - self._overlap,
            window=window,
            place=None if window is not None else state.place,
        )

    async def _publish_references(self, pull: Pull, state: SourceState, pulled: Pulled) -> SourceState:
        async for reference in self._connector.reference(pull):
            place = f"{reference.topic}|{reference.key}"
            fingerprint = _fingerprint(reference)
            if state.published.get(place) == fingerprint:
                continue
            await self._deliver(reference.topic, reference.key, reference.record)
            state = replace(state, published={**state.published, place: fingerprint})
            self._state.save(pull.source.id, state)
            pulled.references += 1
        return state

    async def _publish_marks(self, pull: Pull, pulled: Pulled) -> bool:
        """Steps 2 and 3. Whether every page could be read."""
        every_page, every_record = True, True
        held: dict[str, Any] | None = None  # one message is held back: only the end tells which is the last
        number = 0
        async for page in self._connector.pull(pull):
            if isinstance(page, BadPage):
                every_page = False
                self._keep_page(pull, page, pulled)
                continue
            pulled.place = page.place or pulled.place
            said = self._connector.to_message(pull, page)
            if said.refused:
                every_record = False
                self._keep_records(pull, page, said, pulled)
            for part in _parts(said):
                if held is not None:
                    await self._publish_page(pull, held, pulled)
                held = self._record(pull, number, part)
                number += 1
        if held is None and pull.complete:
            held = self._record(pull, number, MarksPage())  # an empty window is news; nothing changed is none
        if held is not None:
            # "The last page" says that all was seen, and what is missing is gone: not so when something was refused.
            held["last_page"] = every_page and every_record
            await self._publish_page(pull, held, pulled)
        return every_page

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
        await self._deliver(TOPIC, str(pull.source.urn), record)
        metrics.CONNECTOR_PAGES.labels(connector=self._connector.name, outcome="published").inc()
        pulled.pages += 1
        pulled.marks += len(record["marks"])
        pulled.deletions += len(record["deletions"])

    def _record(self, pull: Pull, number: int, said: MarksPage) -> dict[str, Any]:
        window = pull.window
        return {
            "pull_id": pull.id,
            "snapshot": None,
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

    async def _deliver(self, topic: str, key: str, record: Mapping[str, Any]) -> None:
        if not self._encoder.knows_ids:
            await asyncio.to_thread(self._encoder.ready)
        await self._publisher.deliver(topic, key.encode("ascii"), self._encoder.encode(topic, dict(record)))

    def _tell_cursor_age(self) -> None:
        if self._cursors:
            age = (self._now() - min(self._cursors.values())).total_seconds()
            metrics.CONNECTOR_CURSOR_AGE_SECONDS.labels(connector=self._connector.name).set(age)


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


def _fingerprint(reference: Reference) -> str:
    content = {name: value for name, value in reference.record.items() if name != "taken_at"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
