"""Pulls from a real HTTP server to real Kafka: what is published, what is remembered, what trouble does to both."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from connectors.contract import Source, Window
from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from connectors.refused import RefusedFolder
from connectors.runner import Pulled, Runner
from connectors.state import SourceState, StateFolder
from connectors.wonde import config
from connectors.wonde.client import Patience, WondeClient
from connectors.wonde.connector import WondeConnector
from tests.connectors.conftest import ReadTopic
from tests.connectors.mis import TOKEN, FakeWonde, Trouble, mark, student

MIS, ROSTER = "attendance.mis.v1", "reference.roster.v1"
SESSIONS, LESSONS, DELETIONS = "A1/attendance/session", "A1/attendance/lesson", "A1/deletions"
CODES = [{"id": "C/", "code": "/"}, {"id": "CN", "code": "N"}]
QUICK = Patience(first_seconds=0.01, longest_seconds=0.05, tries=4)


@dataclass
class Puller:
    """Pulls from a `FakeWonde` with a clock that moves when it is told to."""

    mis: FakeWonde
    urn: int
    publisher: Publisher
    encoder: Encoder
    folder: Path
    now: datetime = datetime(2025, 9, 10, 8, 30, tzinfo=UTC)
    token: str = TOKEN
    schools: list[tuple[str, int, str]] = field(default_factory=list)

    def pull(self, window: Window | None = None, what: Any = "all") -> list[Pulled]:
        async def once() -> list[Pulled]:
            told = config.build(self.mis.url, self.token, self.schools or [("A1", self.urn, "national")])
            client = WondeClient(told.base_url, patience=QUICK, a_second=10_000)
            connector = WondeConnector(told, client, UpnKey(b"k" * 32, "k1"), today=date(2025, 9, 10))
            runner = Runner(
                connector,
                self.publisher,
                self.encoder,
                self.state,
                RefusedFolder(self.folder / "refused"),
                now=lambda: self.now,
            )
            try:
                return await runner.round(await connector.discover(), window=window, what=what)
            finally:
                await client.aclose()

        return asyncio.run(once())

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.folder / "state")

    def cursor(self, school: str = "A1") -> datetime | None:
        return self.state.load(school).cursor

    def refused(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in sorted((self.folder / "refused").rglob("*.json"))]


@pytest.fixture
def mis() -> Iterator[FakeWonde]:
    server = FakeWonde()
    server.held = {"A1/attendance-codes": CODES, "A1/students": [student(number) for number in range(3)], SESSIONS: []}
    yield server
    server.close()


@pytest.fixture
def puller(mis: FakeWonde, urn: int, publisher: Publisher, encoder: Encoder, tmp_path: Path) -> Puller:
    return Puller(mis, urn, publisher, encoder, tmp_path)


def ids(pages: list[dict[str, Any]]) -> list[str]:
    return [one["record_id"] for page in pages for one in page["marks"]]


def test_a_pull_publishes_every_page_with_its_place(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held[SESSIONS] = [mark(number) for number in range(5)]
    (pulled,) = puller.pull()
    assert (pulled.outcome, pulled.pages, pulled.marks, pulled.references) == ("pulled", 3, 5, 1)
    pages = read_topic(MIS, puller.urn)
    assert ids(pages) == [mark(number)["id"] for number in range(5)]
    assert [(page["page"], page["last_page"]) for page in pages] == [(0, False), (1, False), (2, True)]
    assert {(page["pull_id"], page["taken_at"], page["complete"]) for page in pages} == {
        ("wonde:A1:20250910T083000.000Z", puller.now, False)
    }
    assert {(page["source"], page["code_scheme"], page["urn"]) for page in pages} == {("wonde", "national", puller.urn)}


@pytest.mark.parametrize("day", ["2025-09-10", "2025-11-03"])
def test_rule_8_midnight_in_london_reaches_kafka_as_the_day_it_says(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic, day: str
) -> None:
    mis.held[SESSIONS] = [mark(1, day)]
    puller.pull()
    assert str(read_topic(MIS, puller.urn)[0]["marks"][0]["session_date"]) == day


def test_the_next_pull_asks_for_what_changed_with_an_overlap(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    began = puller.now
    mis.held[SESSIONS] = [mark(1, _changed=began - timedelta(hours=1)), mark(2, _changed=began - timedelta(minutes=1))]
    puller.pull()
    assert puller.cursor() == began
    puller.now = began + timedelta(hours=1)
    mis.held[SESSIONS].append(mark(3, _changed=began + timedelta(minutes=30)))
    puller.pull()
    assert mis.queries(SESSIONS)[-1]["updated_after"] == "2025-09-10T08:28:00Z"
    assert ids(read_topic(MIS, puller.urn)) == ["A900001", "A900002", "A900002", "A900003"]


def test_nothing_new_publishes_nothing_and_moves_the_cursor(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    puller.pull()
    assert read_topic(MIS, puller.urn) == []
    assert puller.cursor() == puller.now


def test_a_repeat_at_a_page_boundary_is_passed_on_as_it_is(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    """Telling repeats apart is the worker's work; here none is lost and none is taken for another."""
    mis.held[SESSIONS] = [mark(number) for number in range(4)]
    mis.repeat_at_boundaries = True
    puller.pull()
    assert ids(read_topic(MIS, puller.urn)) == ["A900000", "A900001", "A900001", "A900002", "A900003"]


def test_lessons_and_deletions_follow_the_sessions(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held[SESSIONS] = [mark(1)]
    mis.held[LESSONS] = [mark(2, period="A8", lesson="A6")]
    mis.held["A1/periods"] = [{"id": "A8", "name": "P1"}]
    mis.held[DELETIONS] = [{"id": "A900000", "type": "attendance/session"}, {"id": "B1", "type": "behaviour"}]
    (pulled,) = puller.pull()
    assert (pulled.marks, pulled.deletions) == (2, 1)
    sessions, lessons, deletions = read_topic(MIS, puller.urn)
    assert sessions["marks"][0]["period"] is None
    assert lessons["marks"][0]["period"] == "P1"
    assert (deletions["deletions"], deletions["marks"], deletions["last_page"]) == (["A900000"], [], True)


def test_a_window_is_complete_and_leaves_the_cursor_alone(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    """The server here ignores the dates it is asked for, as some do: the window is kept all the same."""
    mis.held[SESSIONS] = [mark(1, "2025-09-09"), mark(2, "2025-09-10"), mark(3, "2025-09-12")]
    puller.pull(window=Window(date(2025, 9, 10), date(2025, 9, 11)), what="marks")
    (page,) = read_topic(MIS, puller.urn)
    assert ids([page]) == ["A900002"]
    assert page["complete"]
    assert page["last_page"]
    assert (str(page["window_from"]), str(page["window_to"])) == ("2025-09-10", "2025-09-11")
    assert puller.cursor() is None
    assert {"date_from": "2025-09-10", "date_to": "2025-09-11"}.items() <= mis.queries(SESSIONS)[0].items()


def test_an_empty_window_is_news(puller: Puller, read_topic: ReadTopic) -> None:
    puller.pull(window=Window(date(2025, 9, 10), date(2025, 9, 10)))
    (page,) = read_topic(MIS, puller.urn)
    assert (page["marks"], page["complete"], page["last_page"]) == ([], True, True)


def test_a_roster_is_published_when_it_changes_and_not_otherwise(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    puller.pull()
    puller.now += timedelta(hours=1)
    puller.pull()
    assert len(read_topic(ROSTER, puller.urn)) == 1
    mis.held["A1/students-pre-admission"] = [student(7)]
    puller.pull()
    first, second = read_topic(ROSTER, puller.urn)
    assert (len(first["pupils"]), len(second["pupils"])) == (3, 4)
    assert second["pupils"][3]["enrolments"][0]["status"] == "pre-admission"


def test_a_roster_that_is_not_whole_does_not_replace_the_one_before(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    mis.held[SESSIONS] = [mark(1)]
    mis.trouble["A1/students"] = [Trouble(200, {}, b"{"), Trouble(200, {}, b"{"), Trouble(200, {}, b"{")]
    (pulled,) = puller.pull()
    assert (pulled.references, pulled.marks) == (0, 1)
    assert read_topic(ROSTER, puller.urn) == []
    puller.pull()
    assert len(read_topic(ROSTER, puller.urn)) == 1


def test_an_empty_school_is_a_source_not_yet_filled(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held["A1/students"] = []
    assert puller.pull()[0].references == 0
    assert read_topic(ROSTER, puller.urn) == []


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


def test_codes_are_joined_within_the_school(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    """The same id is another code at the next school."""
    puller.schools = [("A1", puller.urn + 300_000, "local"), ("A2", puller.urn + 300_001, "national")]
    mis.held["A2/attendance-codes"] = [{"id": "C/", "code": "9"}]
    mis.held[SESSIONS] = mis.held["A2/attendance/session"] = [mark(1)]
    puller.pull(what="marks")
    (first,), (second,) = (read_topic(MIS, urn) for _, urn, _ in puller.schools)
    assert (first["marks"][0]["code"], second["marks"][0]["code"]) == ("/", "9")
    assert (first["code_scheme"], second["code_scheme"]) == (f"wonde:{puller.schools[0][1]}", "national")


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


def test_no_name_and_no_comment_is_in_any_message(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held[SESSIONS] = [mark(1)]
    puller.pull()
    said = json.dumps([read_topic(MIS, puller.urn), read_topic(ROSTER, puller.urn)], default=str)
    assert "A900001" in said
    assert not any(word in said for word in ("Remark", "nowhere", "2013-10-01"))


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


def test_schools_come_from_wonde_where_the_configuration_names_none(mis: FakeWonde) -> None:
    async def discover() -> list[Source]:
        client = WondeClient(mis.url, patience=QUICK)
        try:
            connector = WondeConnector(config.build(mis.url, TOKEN, []), client, UpnKey(b"k" * 32, "k1"))
            return list(await connector.discover())
        finally:
            await client.aclose()

    mis.held[""] = mis.held["/v1.0/schools"] = [{"id": "A1", "urn": 100_001}, {"id": "A2", "urn": None}]
    assert [(source.id, source.urn) for source in asyncio.run(discover())] == [("A1", 100_001)]


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
    command = [sys.executable, "-c", "from rollcall.cli.app import main; main()", "wonde", "pull", "--json"]
    command += ["--home", str(tmp_path / "home"), "--what", "marks", "--school", f"A1={urn}"]
    command += ["--base-url", mis.url, "--token-file", str(tmp_path / "token")]
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
