"""An installation with sources, for tests: its file of them, its commands, and servers that do things in the middle."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from connectors import pulling
from connectors.source_pulls import Plan, Round
from connectors.sources import parse
from connectors.sources_file import SourcesFile, entry_names
from rollcall.settings import Settings
from tests.connectors.mis import FakeWonde, Trouble

MARKS = Plan(what="marks")


def define(file: SourcesFile, name: str, mis: FakeWonde, *schools: tuple[str, int], **changed: Any) -> None:
    """Put a source of a `FakeWonde` in the file; `changed` are fields of its schools."""
    secret = changed.pop("secret", "env:GOOD_TOKEN")
    told = [{"id": school, "urn": urn, **changed} for school, urn in schools]
    source = {"make": "wonde", "name": name, "base_url": mis.url, "secret": secret, "requests_a_second": 1000}
    document = {"sources": [{**source, "schools": told}]}
    file.take(parse(document, entry_names(document)))


def pull(settings: Settings, plan: Plan = MARKS, *names: str) -> dict[str, Round]:
    """One round of every source."""
    return {done.name: done for done in asyncio.run(pulling.run(settings, plan, names=names))}


def outcomes(done: Round) -> list[tuple[str, str, int]]:
    """School, outcome and marks of each pull."""
    return [(one.source.id, one.outcome, one.marks) for one in done.pulled]


@contextmanager
def when_asked(mis: FakeWonde, path: str, nth: int, do: Callable[[], None]) -> Iterator[None]:
    """Do something in the middle of the n-th request for a path, before it is answered."""
    whole, seen = mis.answer, 0

    def answer(asked: str, query: dict[str, str], headers: Mapping[str, str]) -> Trouble:
        nonlocal seen
        seen += asked == path
        if asked == path and seen == nth:
            do()
        return whole(asked, query, headers)

    mis.answer = answer  # type: ignore[method-assign]
    yield
    mis.answer = whole  # type: ignore[method-assign]


def words(settings: Settings, *arguments: str) -> list[str]:
    """A command of this installation."""
    return [sys.executable, "-m", "rollcall.cli", *arguments, "--home", str(settings.home)]


def environment(settings: Settings) -> dict[str, str]:
    """What a process of it is given."""
    return {
        **os.environ,
        "ROLLCALL_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "ROLLCALL_REGISTRY__URL": settings.registry.url,
    }


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of it to its end."""
    return subprocess.run(
        words(settings, *arguments),
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
