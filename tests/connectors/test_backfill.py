"""History brought in by windows: what is asked, what is kept, what is left alone, and kill -9 in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.backfill import Brought, Progress, Span, backfill
from connectors.contract import Source, Window
from connectors.files import Claim
from connectors.pulling import run
from connectors.source_pulls import Plan, backfill_runs, state_of
from connectors.sources import parse
from connectors.sources_file import SourcesFile, entry_names
from connectors.state import SourceState
from rollcall.errors import ConfigError
from rollcall.settings import Settings
from tests.connectors.conftest import ReadTopic
from tests.connectors.mis import FakeWonde, Trouble, mark
from tests.connectors.puller import CODES, MIS, SESSIONS, ids

DAYS = ("2025-09-01", "2025-09-08", "2025-09-15", "2025-09-22", "2025-09-29")
SPAN = Span(date(2025, 9, 1), date(2025, 9, 30), 7)
CURSOR = datetime(2025, 10, 1, 8, 0, tzinfo=UTC)


class DatedWonde(FakeWonde):
    """Keeps to `date_from` and `date_to`, as Wonde does; `hold` holds up requests for the window that begins then."""

    def __init__(self) -> None:
        super().__init__(per_page=50)
        self.hold: str | None = None
        self.holding, self.let_go = threading.Event(), threading.Event()

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> Trouble:
        if self.hold is not None and query.get("date_from") == self.hold:
            self.holding.set()
            self.let_go.wait(60)
        answer = super().answer(path, query, headers)
        if answer.status != 200 or "date_from" not in query:
            return answer
        body = json.loads(answer.body)
        body["data"] = [
            one for one in body["data"] if query["date_from"] <= one["date"]["date"][:10] <= query["date_to"]
        ]
        return answer._replace(body=json.dumps(body).encode())


@pytest.fixture
def past() -> Iterator[DatedWonde]:
    server = DatedWonde()
    server.held = {
        "A1/attendance-codes": CODES,
        SESSIONS: [mark(number, day) for number, day in enumerate(DAYS)],
    }
    yield server
    server.let_go.set()
    server.close()


@pytest.fixture
def define(here: Settings, past: DatedWonde, urn: int) -> Callable[..., SourcesFile]:
    def made(*schools: tuple[str, int]) -> SourcesFile:
        told = [{"id": school, "urn": at} for school, at in schools or (("A1", urn),)]
        source = {"make": "wonde", "base_url": past.url, "secret": "env:GOOD_TOKEN", "requests_a_second": 1000}
        document = {"sources": [{**source, "schools": told}]}
        file = SourcesFile(here.sources_file)
        file.take(parse(document, entry_names(document)))
        return file

    return made


def bring(settings: Settings, **more: Any) -> list[Brought]:
    return asyncio.run(backfill(settings, SPAN, **more))


def windows(mis: FakeWonde) -> list[tuple[str, str]]:
    return [(query["date_from"], query["date_to"]) for query in mis.queries(SESSIONS) if "date_from" in query]


def test_every_window_is_read_whole_once_oldest_first_and_the_last_is_shorter(
    here: Settings, define: Callable[..., SourcesFile], past: DatedWonde, urn: int, read_topic: ReadTopic
) -> None:
    define()
    told: list[int] = []
    (brought,) = bring(here, told=lambda _school, done: told.append(done))
    assert (brought.outcome, brought.windows, brought.before, brought.done, brought.marks) == ("pulled", 5, 0, 5, 5)
    assert sum(told) == 5
    assert windows(past) == [
        ("2025-09-01", "2025-09-07"),
        ("2025-09-08", "2025-09-14"),
        ("2025-09-15", "2025-09-21"),
        ("2025-09-22", "2025-09-28"),
        ("2025-09-29", "2025-09-30"),
    ]
    pages = read_topic(MIS, urn)
    assert ids(pages) == [f"A90000{number}" for number in range(5)]
    assert all(page["complete"] and page["last_page"] for page in pages)


def test_it_neither_reads_nor_moves_the_cursor_nor_any_other_state(
    here: Settings, define: Callable[..., SourcesFile], past: DatedWonde
) -> None:
    define()
    states = state_of(here, "wonde")
    states.save("A1", SourceState(cursor=CURSOR, published={"t|1": "f"}))
    file = here.home / "connectors" / "state" / "wonde" / "A1.json"
    before = file.read_bytes(), file.stat().st_mtime_ns
    bring(here)
    assert not any("updated_after" in query for query in past.queries(SESSIONS))
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_live_pulls_go_on_beside_it_and_keep_their_own_cursor(
    here: Settings, define: Callable[..., SourcesFile], past: DatedWonde, urn: int, read_topic: ReadTopic
) -> None:
    """While a window is held up, a pull of today runs to its end and moves the cursor; the backfill leaves it there."""
    define()
    past.hold = "2025-09-08"

    async def play() -> tuple[list[Brought], datetime | None]:
        history = asyncio.create_task(backfill(here, SPAN))
        await asyncio.to_thread(past.holding.wait, 60)
        (live,) = await run(here, Plan(what="marks"))
        assert live.whole
        cursor = state_of(here, "wonde").load("A1").cursor
        past.let_go.set()
        return await history, cursor

    (brought,), cursor = asyncio.run(play())
    assert brought.outcome == "pulled"
    assert cursor is not None
    assert state_of(here, "wonde").load("A1").cursor == cursor
    assert {page["complete"] for page in read_topic(MIS, urn)} == {True, False}


def test_kill_9_in_the_middle_loses_no_window_and_reads_none_again_that_was_done(
    here: Settings, define: Callable[..., SourcesFile], past: DatedWonde, urn: int, read_topic: ReadTopic
) -> None:
    define()
    past.hold = "2025-09-15"
    command = [sys.executable, "-m", "rollcall.cli", "backfill", "--from", "2025-09-01", "--until", "2025-09-30"]
    command += ["--chunk", "7d", "--json", "--home", str(here.home)]
    environment = {
        **os.environ,
        "ROLLCALL_KAFKA__BOOTSTRAP": here.kafka.bootstrap,
        "ROLLCALL_REGISTRY__URL": here.registry.url,
    }
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        assert past.holding.wait(60)
        process.send_signal(signal.SIGKILL)
    past.hold = None
    past.let_go.set()
    assert ids(read_topic(MIS, urn)) == ["A900000", "A900001"]
    asked = len(windows(past))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    (school,) = json.loads(done.stdout)["schools"]
    assert (school["before"], school["done"], school["outcome"], school["source"]) == (2, 3, "pulled", "wonde")
    again = windows(past)[asked:]
    assert [first for first, _ in again if first < "2025-09-15"] == []
    assert ids(read_topic(MIS, urn)) == [f"A90000{number}" for number in range(5)]


def test_windows_of_another_size_are_read_only_where_a_day_is_missing(
    here: Settings, define: Callable[..., SourcesFile], past: DatedWonde
) -> None:
    define()
    bring(here)
    asked = len(windows(past))
    (brought,) = asyncio.run(backfill(here, Span(date(2025, 8, 25), date(2025, 9, 30), 10)))
    assert windows(past)[asked:] == [("2025-08-25", "2025-09-03")]
    assert (brought.windows, brought.before, brought.done) == (4, 3, 1)
    (brought,) = bring(here, again=True)
    assert (brought.before, brought.done) == (0, 5)


def test_a_window_in_trouble_stops_its_school_only_and_is_read_by_the_next_run(
    here: Settings, define: Callable[..., SourcesFile], past: DatedWonde, urn: int
) -> None:
    define(("A1", urn), ("A2", urn + 600_000))
    past.held["A2/attendance-codes"] = CODES
    past.held["A2/attendance/session"] = [mark(9, "2025-09-22")]
    past.trouble["A2/attendance-codes"] = [Trouble(403)]
    good, refused = bring(here)
    assert (good.outcome, good.done) == ("pulled", 5)
    assert (refused.outcome, refused.done) == ("stopped", 0)
    assert "403" in refused.why
    assert state_of(here, "wonde").load("A2") == SourceState(), "the pulls of today find out by themselves"
    _, second = bring(here)
    assert (second.outcome, second.done, second.marks) == ("pulled", 5, 1)


def test_a_page_that_cannot_be_read_leaves_its_window_to_the_next_run(
    here: Settings, define: Callable[..., SourcesFile], past: DatedWonde, urn: int, read_topic: ReadTopic
) -> None:
    define()
    whole, past_asks = past.answer, 0

    def broken(path: str, query: dict[str, str], headers: Mapping[str, str]) -> Trouble:
        nonlocal past_asks
        if path == SESSIONS and query.get("date_from") == "2025-09-08" and past_asks < 3:
            past_asks += 1
            past.asked.append((path, query))
            return Trouble(200, {}, b'{"data": [{"id": "A9')
        return whole(path, query, headers)

    past.answer = broken  # type: ignore[method-assign]
    (brought,) = bring(here)
    assert (brought.outcome, brought.done) == ("incomplete", 4)
    (brought,) = bring(here)
    assert (brought.outcome, brought.before, brought.done, brought.marks) == ("pulled", 4, 1, 1)
    assert sorted(ids(read_topic(MIS, urn))) == [f"A90000{number}" for number in range(5)]


def test_a_permission_revoked_in_the_middle_ends_it_for_that_school(
    here: Settings, define: Callable[..., SourcesFile], past: DatedWonde, urn: int, read_topic: ReadTopic
) -> None:
    file = define()
    past.hold = "2025-09-08"

    async def play() -> list[Brought]:
        history = asyncio.create_task(backfill(here, SPAN))
        await asyncio.to_thread(past.holding.wait, 60)
        file.revoke("wonde", None, urn, "left", CURSOR)
        return await history

    (brought,) = asyncio.run(play())
    assert (brought.outcome, brought.done) == ("stopped", 1)
    assert ids(read_topic(MIS, urn)) == ["A900000"]


def test_two_backfills_of_one_source_are_one_too_many(here: Settings, define: Callable[..., SourcesFile]) -> None:
    define()
    with Claim(backfill_runs(here, "wonde")) as ours:
        assert ours
        (brought,) = bring(here)
    assert (brought.school, brought.why) == (None, "another backfill of wonde runs already")
    assert bring(here)[0].outcome == "pulled"


def test_progress_is_the_old_one_or_the_new_one_and_never_anothers(tmp_path: Path) -> None:
    progress, school = Progress(tmp_path), Source("A1", 100_001)
    wanted = SPAN.windows()
    progress.add(school, wanted[0])
    (tmp_path / "A1.json.new").write_text('{"urn"')
    assert progress.left(school, wanted) == wanted[1:]
    assert progress.left(Source("A1", 100_002), wanted) == wanted, "the id is another school's"
    (tmp_path / "A1.json").write_text("{")
    with pytest.raises(ConfigError, match=r"A1\.json cannot be read: delete it"):
        progress.left(school, [Window(date(2025, 9, 1), date(2025, 9, 2))])
