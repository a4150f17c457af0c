"""Brings history in: every school's past in bounded windows, beside the pulls of today and without disturbing them.

- Each window is read whole, by the runner that all pulls go through; cursors are neither read nor moved.
- It takes a part of each source's rate limit and few schools at a time; pulls that run beside it leave it that part
  (`BACKFILL_SHARE`).
- What is done is kept per school and window, after Kafka has acknowledged all of it: killed at any moment, the next run
  reads again at most the windows that were under way.
- Only schools that are in force today and permit it, for all session dates: a new MIS holds the past too (rule 10).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from connectors.contract import Source, Window
from connectors.files import Claim, write_durably
from connectors.pulling import parts_of
from connectors.runner import Outcome, Pulled
from connectors.source_pulls import BACKFILL_SHARE, Parts, Plan, SourcePulls, backfill_folder, backfill_runs
from connectors.sources_file import SourcesFile
from rollcall.errors import ConfigError, RollcallError

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = ["Brought", "Progress", "Span", "backfill"]

log = structlog.get_logger()

#: Schools of one source at the same time; the pulls of today take 8.
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Span:
    """Session dates to bring in, both inclusive, in windows of so many days."""

    first_day: date
    last_day: date
    chunk_days: int = 14

    def windows(self) -> list[Window]:
        """The windows, oldest first; the last may be shorter."""
        starts = range(0, (self.last_day - self.first_day).days + 1, self.chunk_days)
        return [
            Window(first, min(self.last_day, first + timedelta(days=self.chunk_days - 1)))
            for first in (self.first_day + timedelta(days=start) for start in starts)
        ]


@dataclass(slots=True)
class Brought:
    """How far one school is. windows: in all; before: done by an earlier run; done: by this one.

    outcome is `pulled` when no window is left. school and urn are None for a source of which not even the schools could
    be had; `why` then says why.
    """

    name: str
    school: str | None = None
    urn: int | None = None
    windows: int = 0
    before: int = 0
    done: int = 0
    pages: int = 0
    marks: int = 0
    outcome: Outcome = "pulled"
    why: str = ""


class Progress:
    """Which session dates of a source's schools are brought in: one small file a school."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def left(self, school: Source, windows: Sequence[Window]) -> list[Window]:
        """The windows of which a day is not done. Raises ConfigError when the file cannot be read."""
        done = self._days(school)
        return [window for window in windows if not set(_days(window)) <= done]

    def add(self, school: Source, window: Window) -> None:
        """The window is done, durably. Raises OSError, ConfigError."""
        done = sorted(self._days(school) | set(_days(window)))
        spans: list[list[date]] = []
        for day in done:
            if spans and day - spans[-1][1] == timedelta(days=1):
                spans[-1][1] = day
            else:
                spans.append([day, day])
        stored = {"urn": school.urn, "done": [[first.isoformat(), last.isoformat()] for first, last in spans]}
        write_durably(self._file(school), json.dumps(stored) + "\n")

    def forget(self, school: Source) -> None:
        """Nothing is done."""
        self._file(school).unlink(missing_ok=True)

    def _days(self, school: Source) -> set[date]:
        file = self._file(school)
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            if stored["urn"] != school.urn:  # the id is another school's now
                return set()
            spans = [Window(date.fromisoformat(first), date.fromisoformat(last)) for first, last in stored["done"]]
            return {day for span in spans for day in _days(span)}
        except FileNotFoundError:
            return set()
        except (OSError, ValueError, KeyError, TypeError):
            raise ConfigError(f"{file} cannot be read: delete it, and the school is brought in again") from None

    def _file(self, school: Source) -> Path:
        return self._folder / f"{school.id}.json"


async def backfill(
    settings: Settings,
    span: Span,
    *,
    names: Sequence[str] = (),
    again: bool = False,
    today: date | None = None,
    told: Callable[[Brought, int], None] = lambda _school, _windows: None,
) -> list[Brought]:
    """Bring the span in for every school of every source (or those of these names), and return how far each is.

    again: also what an earlier run has done. `told` is told of each school when its windows are counted (with those
    done before), and of each window as it ends, done or not (1). Raises UsageError for a name that is none, ConfigError
    when the file or the key for UPNs cannot be read.
    """
    file = SourcesFile(settings.sources_file)
    chosen = file.chosen(names)
    with parts_of(settings, file) as parts:
        plan = Plan(what="marks", at_once=_AT_ONCE, today=today)
        jobs = (_source(name, parts, plan, span, again, told) for name in chosen)
        return [one for of_source in await asyncio.gather(*jobs) for one in of_source]


async def _source(
    name: str, parts: Parts, plan: Plan, span: Span, again: bool, told: Callable[[Brought, int], None]
) -> list[Brought]:
    pulls = SourcePulls(name, parts, plan, BACKFILL_SHARE)
    progress = Progress(backfill_folder(parts.settings, name))
    with ExitStack() as claims:
        try:
            if not claims.enter_context(Claim(backfill_runs(parts.settings, name))):
                raise ConfigError(f"another backfill of {name} runs already")
            sources, failing = await pulls.schools()
            lost = [Brought(name, one.source.id, one.source.urn, outcome="failed", why=one.why) for one in failing]
            jobs = (_school(pulls, one, progress, span, again, told) for one in sources)
            return [*await asyncio.gather(*jobs), *lost]
        except (RollcallError, OSError) as error:
            log.error("source_failed", connector=name, why=str(error))
            return [Brought(name, outcome="failed", why=str(error))]
        finally:
            await pulls.close()


async def _school(
    pulls: SourcePulls,
    school: Source,
    progress: Progress,
    span: Span,
    again: bool,
    told: Callable[[Brought, int], None],
) -> Brought:
    """One window after the other; a window in trouble is left for the next run, and so are those behind a refusal."""
    windows = span.windows()
    brought = Brought(pulls.name, school.id, school.urn, len(windows))
    try:
        if again:
            progress.forget(school)
        left = progress.left(school, windows)
        brought.before = len(windows) - len(left)
        told(brought, brought.before)
        for window in left:
            (pulled,) = await pulls.pull([school], window=window, what="marks")
            _count(brought, pulled)
            if pulled.outcome == "pulled":
                progress.add(school, window)
                brought.done += 1
            told(brought, 1)
            if pulled.outcome in ("stopped", "failed"):
                break
    except (RollcallError, OSError) as error:
        brought.outcome, brought.why = "failed", str(error)
    return brought


def _count(brought: Brought, pulled: Pulled) -> None:
    brought.pages += pulled.pages
    brought.marks += pulled.marks
    if pulled.outcome != "pulled":
        brought.outcome, brought.why = pulled.outcome, pulled.why


def _days(window: Window) -> list[date]:
    return [window.first_day + timedelta(days=n) for n in range((window.last_day - window.first_day).days + 1)]
