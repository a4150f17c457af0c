"""Trouble at the source, at Kafka and in our own process: what is lost (nothing), what is kept, what is tried again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from connectors.contract import Window
from connectors.publisher import Publisher
from connectors.state import SourceState, StateFolder
from connectors.wonde.connector import WondeConnector
from tests.connectors.conftest import ReadTopic
from tests.connectors.mis import TOKEN, FakeWonde, Trouble, mark
from tests.connectors.puller import CODES, DELETIONS, MIS, SESSIONS, Puller, ids


def test_throttling_and_errors_are_waited_out_and_counted(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    def count(cause: str) -> float:
        labels = {"connector": "wonde", "cause": cause}
        return REGISTRY.get_sample_value("rollcall_connector_retries_total", labels) or 0.0

    before = count("throttled"), count("server_error")
    mis.held[SESSIONS] = [mark(1)]
    mis.trouble[SESSIONS] = [Trouble(429, {"Retry-After": "0"}), Trouble(503), Trouble(500)]
    assert puller.pull()[0].outcome == "pulled"
    assert ids(read_topic(MIS, puller.urn)) == ["A900001"]
    assert (count("throttled") - before[0], count("server_error") - before[1]) == (1, 2)


def test_retry_after_is_honoured(mis: FakeWonde, puller: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited is at least what was asked for, in seconds or until a date. Sleeping is what is looked at."""
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float, *rest: Any) -> Any:
        slept.append(seconds)
        return await real(0, *rest)

    mis.trouble[SESSIONS] = [
        Trouble(429, {"Retry-After": "7"}),
        Trouble(429, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}),
        Trouble(503, {"Retry-After": "soon"}),
    ]
    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr("tenacity.asyncio._portable_async_sleep", sleep)
    assert puller.pull()[0].outcome == "pulled"
    waits = [seconds for seconds in slept if seconds > 0.006]
    assert 7 <= waits[0] < 8
    assert 300 <= waits[1] < 301
    assert waits[2] < 1


def test_a_server_that_stays_broken_fails_the_pull_and_keeps_the_cursor(mis: FakeWonde, puller: Puller) -> None:
    mis.trouble[SESSIONS] = [Trouble(500)] * 4
    (pulled,) = puller.pull()
    assert pulled.outcome == "failed"
    assert "500" in pulled.why
    assert puller.cursor() is None
    assert puller.pull()[0].outcome == "pulled"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_stops_the_school_until_it_is_let_in_again(mis: FakeWonde, puller: Puller, status: int) -> None:
    """Rule 27: permission can be revoked, and then pulls stop at once; nothing is drained into quarantine."""
    puller.pull()
    cursor = puller.cursor()
    mis.trouble[SESSIONS] = [Trouble(status)]
    (pulled,) = puller.pull()
    assert (pulled.outcome, pulled.refused) == ("stopped", 0)
    assert str(status) in pulled.why
    asked = len(mis.asked)
    assert puller.pull()[0].outcome == "stopped"
    assert len(mis.asked) == asked
    assert puller.cursor() == cursor
    mis.token = puller.token = "a new token that is only used in tests"
    assert puller.pull()[0].outcome == "pulled"
    assert puller.state.load("A1").stopped is None


def test_one_school_in_trouble_holds_up_none_of_the_others(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    puller.schools = [(f"A{number}", puller.urn + 200_000 + number, "national") for number in range(1, 5)]
    for school in ("A1", "A2", "A3", "A4"):
        mis.held[f"{school}/attendance-codes"] = CODES
        mis.held[f"{school}/attendance/session"] = [mark(int(school[1]))]
    mis.trouble["A1/attendance/session"] = [Trouble(500)] * 4
    mis.trouble["A2/attendance/session"] = [Trouble(403)]
    (puller.folder / "state").mkdir()
    (puller.folder / "state" / "A3.json").write_text("not a state")
    outcomes = puller.pull(what="marks")
    assert [pulled.outcome for pulled in outcomes] == ["failed", "stopped", "failed", "pulled"]
    assert "A3.json" in outcomes[2].why
    assert ids(read_topic(MIS, puller.schools[3][1])) == ["A900004"]


def test_what_nobody_foresaw_at_one_school_does_not_end_the_others(
    mis: FakeWonde, puller: Puller, monkeypatch: pytest.MonkeyPatch
) -> None:
    puller.schools = [("A1", puller.urn + 400_000, "national"), ("A2", puller.urn + 400_001, "national")]
    mis.held["A2/attendance-codes"] = CODES
    mis.held[SESSIONS] = mis.held["A2/attendance/session"] = [mark(1)]
    whole = WondeConnector.to_message

    def breaks(self: WondeConnector, pull: Any, page: Any) -> Any:
        return 1 / 0 if pull.source.id == "A1" else whole(self, pull, page)

    monkeypatch.setattr(WondeConnector, "to_message", breaks)
    assert [(pulled.outcome, pulled.marks) for pulled in puller.pull(what="marks")] == [("failed", 0), ("pulled", 1)]
    assert (puller.cursor("A1"), puller.cursor("A2")) == (None, puller.now)


@pytest.mark.parametrize("link", ['"http://[broken"', '{"not": "a link"}'])
def test_a_link_that_is_none_fails_the_pull(mis: FakeWonde, puller: Puller, link: str) -> None:
    mis.trouble[SESSIONS] = [Trouble(200, {}, b'{"data": [], "meta": {"pagination": {"next": %s}}}' % link.encode())]
    assert puller.pull()[0].outcome == "failed"
    assert puller.cursor() is None


def test_a_page_that_stays_unreadable_is_kept_and_the_cursor_waits(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    mis.held[SESSIONS] = [mark(1)]
    mis.held[DELETIONS] = [{"id": "A900000", "type": "attendance/session"}]
    mis.trouble[SESSIONS] = [Trouble(200, {}, b'{"data": [{"id": "A9')] * 3
    (pulled,) = puller.pull()
    assert (pulled.outcome, pulled.refused) == ("incomplete", 1)
    assert puller.cursor() is None
    (kept,) = puller.refused()
    assert (kept["resource"], kept["reason"], kept["bytes_kept"]) == (
        "attendance/session",
        "the page is not JSON",
        True,
    )
    (body,) = (puller.folder / "refused").rglob("*.body")
    assert body.read_bytes() == b'{"data": [{"id": "A9'
    assert body.stat().st_mode & 0o077 == 0
    (page,) = read_topic(MIS, puller.urn)
    assert page["deletions"] == ["A900000"]
    assert not page["last_page"]
    assert puller.pull()[0].outcome == "pulled"
    assert "A900001" in ids(read_topic(MIS, puller.urn))


def test_a_cut_off_page_is_asked_for_again(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held[SESSIONS] = [mark(1)]
    mis.trouble[SESSIONS] = [Trouble(200, {}, b'{"data": [{"id": "A9'), Trouble(200, {}, b'{"meta": {}}')]
    assert puller.pull()[0].outcome == "pulled"
    assert ids(read_topic(MIS, puller.urn)) == ["A900001"]
    assert puller.refused() == []


def test_a_record_that_cannot_be_read_is_kept_and_the_rest_of_its_page_go_on(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    mis.held[SESSIONS] = [mark(1), mark(2, attendance_code="gone"), mark(3, date="?")]
    (pulled,) = puller.pull(window=Window(date(2025, 9, 10), date(2025, 9, 10)))
    assert (pulled.outcome, pulled.marks, pulled.refused) == ("pulled", 1, 2)
    pages = read_topic(MIS, puller.urn)
    assert ids(pages) == ["A900001"]
    assert not any(page["last_page"] for page in pages), "a window with a gap must not withdraw what is in the gap"
    kept = [record for file in puller.refused() for record in file["records"]]
    assert [one["reason"] for one in kept] == ["its code is not in the school's list of codes", "a date cannot be read"]
    assert "Remark" not in json.dumps(kept)


def test_the_next_page_is_not_followed_to_another_host(mis: FakeWonde, puller: Puller) -> None:
    """The token would go there."""
    link = b'{"data": [], "meta": {"pagination": {"next": "http://127.0.0.1:9/v1.0/schools/A1/x?cursor=1"}}}'
    mis.trouble[SESSIONS] = [Trouble(200, {}, link)]
    (pulled,) = puller.pull()
    assert pulled.outcome == "failed"
    assert "another host" in pulled.why


def test_kafka_away_keeps_the_cursor(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held[SESSIONS] = [mark(1)]
    puller.pull(what="roster")
    reachable = puller.publisher
    with Publisher({"bootstrap.servers": "127.0.0.1:1"}, delivery_seconds=1) as nobody:
        puller.publisher = nobody
        assert puller.pull()[0].outcome == "failed"
    assert puller.cursor() is None
    puller.publisher = reachable
    assert puller.pull()[0].outcome == "pulled"
    assert ids(read_topic(MIS, puller.urn)) == ["A900001"]


def test_a_state_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    """A write that was cut off (a file beside, never renamed) is as if it had not been."""
    states = StateFolder(tmp_path)
    state = SourceState(datetime(2025, 9, 10, tzinfo=UTC), None, None, {"t|1": "f"})
    states.save("A1", state)
    (tmp_path / "A1.json.new").write_text('{"cursor": "20')
    assert states.load("A1") == state
    states.save("A1", replace(state, stopped="why", credential="c"))
    assert states.load("A1").stopped == "why"
    assert states.load("A2") == SourceState()


def test_kill_in_the_middle_of_a_pull_loses_and_skips_nothing(
    mis: FakeWonde, stack: Any, kafka: str, urn: int, read_topic: ReadTopic, tmp_path: Path
) -> None:
    """SIGKILL when the first page is on Kafka, the second is read and the third is not; then the same command again."""
    mis.held[SESSIONS] = [mark(number) for number in range(6)]
    (tmp_path / "token").write_text(TOKEN)
    source = {"make": "wonde", "name": "wonde", "base_url": mis.url, "secret": "file:token"}
    document = {"sources": [{**source, "schools": [{"id": "A1", "urn": urn}]}]}
    (tmp_path / "sources.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "rollcall.cli", "pull", "--json", "--home", str(tmp_path), "--what", "marks"]
    environment = {**os.environ, "ROLLCALL_KAFKA__BOOTSTRAP": kafka, "ROLLCALL_REGISTRY__URL": stack.registry}
    mis.stuck_on_third_page.set()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        assert mis.reached_third_page.wait(60)
        process.send_signal(signal.SIGKILL)
    mis.stuck_on_third_page.clear()
    before = ids(read_topic(MIS, urn))
    assert before == ["A900000", "A900001"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True, timeout=120)
    assert json.loads(done.stdout)[0]["marks"] == 6
    everything = [mark(number)["id"] for number in range(6)]
    assert ids(read_topic(MIS, urn)) == [*before, *everything]
