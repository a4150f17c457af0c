"""The loader on real Kafka and ClickHouse: what it applies, what it refuses, what it waits for, and kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from rollcall.domain.clock import now
from rollcall.errors import KafkaError
from rollcall.settings import Settings
from sinks import reference
from sinks.clickhouse import connect
from sinks.verify import verify
from streams.reference import Loader, Summary
from tests.reference.conftest import TAKEN, Publish, applied, calendar, pupil, roster, school
from tests.sinks import rows

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("others_behind")


def load(settings: Settings, group: str | None = None) -> Summary:
    """Apply what is on the topics now, in a group of its own."""
    return Loader(settings, connect(settings.clickhouse), group=group or f"test-{uuid.uuid4().hex}").run(once=True)


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """A loader that runs until the end of the block."""
    stop = threading.Event()
    loader = Loader(settings, connect(settings.clickhouse), group=f"test-{uuid.uuid4().hex}")
    thread = threading.Thread(target=loader.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()


def eventually(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def refused(client: Any, urn: int) -> list[tuple[str, str]]:
    found = client.query(
        "SELECT q.topic, q.reason FROM quarantine AS q FINAL INNER JOIN quarantine_message AS m FINAL "
        "USING (topic_id, partition, offset) WHERE m.key = {key:String} ORDER BY q.topic, q.offset",
        parameters={"key": str(urn)},
    ).result_rows
    return [(str(topic), str(reason)) for topic, reason in found]


def test_reference_topics_become_tables_and_the_positions_cover_them(
    settings: Settings, clickhouse: Any, publish: Publish, urn: int
) -> None:
    publish("reference.school.v1", school(urn))
    publish("reference.calendar.v1", calendar(urn))
    publish("reference.roster.v1", roster(urn, pupil("mis:1"), pupil("mis:2")))
    assert load(settings).applied >= 3
    assert reference.load_enrolments(clickhouse, [urn]).num_rows == 2
    assert urn in reference.load_schools(clickhouse)["urn"].to_pylist()
    assert urn in reference.load_calendar(clickhouse)["urn"].to_pylist()
    assert load(settings).messages == 0, "the position says that nothing is left"


def test_what_cannot_be_read_is_refused_alone_with_its_reason(
    settings: Settings, clickhouse: Any, publish: Publish, urn: int, registered: dict[str, int]
) -> None:
    topic, key = "reference.roster.v1", str(urn).encode()
    publish(topic, key=key, value=b"\0\0\1")
    publish(topic, key=key, value=b"\0\0\x0f\x42\x40rest")
    publish(topic, key=key, value=b"\0" + registered[topic].to_bytes(4, "big") + b"\x02")
    publish(topic, roster(urn + 90_000), key=key)
    publish(topic, key=key, value=None)
    publish(topic, roster(urn, pupil("mis:1")))
    summary = load(settings)
    assert summary.refused >= 4
    assert summary.removed >= 1
    assert summary.messages == summary.applied + summary.repeated + summary.refused + summary.removed
    assert refused(clickhouse, urn) == [
        (topic, "undecodable"),
        (topic, "unknown_schema"),
        (topic, "undecodable"),
        (topic, "key_mismatch"),
    ]
    assert reference.load_enrolments(clickhouse, [urn]).num_rows == 1
    assert reference.load_enrolments(clickhouse, [urn + 90_000]).num_rows == 0


def test_a_clock_far_ahead_cannot_hide_later_rosters_rule_6(
    settings: Settings, clickhouse: Any, publish: Publish, urn: int
) -> None:
    publish("reference.roster.v1", roster(urn, pupil("mis:1"), taken_at=now() + timedelta(days=400)))
    load(settings)
    publish("reference.roster.v1", roster(urn, pupil("mis:1"), pupil("mis:2"), taken_at=now() + timedelta(seconds=60)))
    load(settings)
    assert reference.load_enrolments(clickhouse, [urn]).num_rows == 2


def test_a_registry_that_is_away_is_waited_for_and_nothing_is_refused(
    settings: Settings, clickhouse: Any, publish: Publish, urn: int
) -> None:
    publish("reference.roster.v1", roster(urn, pupil("mis:1")))
    with closed_registry(settings.registry.url) as (url, open_again):
        away = settings.model_copy(update={"registry": settings.registry.model_copy(update={"url": url})})
        with running(away):
            eventually(lambda: len(open_again.asked) >= 2, "the loader asks again")
            assert reference.load_enrolments(clickhouse, [urn]).num_rows == 0
            open_again.set()
            eventually(lambda: reference.load_enrolments(clickhouse, [urn]).num_rows == 1, "the roster is applied")
    assert refused(clickhouse, urn) == []


def test_clickhouse_that_is_away_is_waited_for(settings: Settings, clickhouse: Any, publish: Publish, urn: int) -> None:
    publish("reference.roster.v1", roster(urn, pupil("mis:1")))
    fails = iter([True, True, False])

    class Away:
        def __getattr__(self, name: str) -> Any:
            return getattr(clickhouse, name)

        def insert_arrow(self, *args: Any, **kwargs: Any) -> Any:
            if next(fails, False):
                raise ConnectionRefusedError
            return clickhouse.insert_arrow(*args, **kwargs)

    client: Any = Away()
    Loader(settings, client, group=f"test-{uuid.uuid4().hex}").run(once=True)
    assert next(fails, None) is None
    assert reference.load_enrolments(clickhouse, [urn]).num_rows == 1


def test_missing_topics_are_named_with_what_to_do(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from streams import reference as module

    monkeypatch.setattr(module, "KINDS", {"reference.not-there.v1": "school"})
    with pytest.raises(KafkaError, match=r"reference.not-there.v1 does not exist: run `rollcall topics apply`"):
        load(settings)


def test_kill_9_before_each_table_and_again_gives_the_same_tables(
    settings: Settings, clickhouse: Any, publish: Publish, urn: int, stack_home: Path
) -> None:
    urns = range(urn + 10_000, urn + 10_006)
    for one in urns:
        publish("reference.school.v1", school(one))
        publish("reference.calendar.v1", calendar(one))
        publish("reference.roster.v1", roster(one, pupil("mis:1", "upn:k1:aa"), pupil("mis:2", "upn:k1:aa")))
        publish("reference.roster.v1", roster(one, pupil("mis:1", "upn:k1:aa"), taken_at=TAKEN + timedelta(days=1)))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ROLLCALL_HOME": str(stack_home),
        "ROLLCALL_CLICKHOUSE__DATABASE": settings.clickhouse.database,
    }
    script = str(Path(__file__).with_name("killed_loader.py"))
    # In an order in which the messages that reach a table are still to be applied when its turn comes.
    for fatal in ("group_membership", "enrolment", "crosswalk", "reference_version", "reference_position"):
        command = [sys.executable, script, f"test-{uuid.uuid4().hex}", fatal]
        killed = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, timeout=120, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    load(settings)
    broken = content(clickhouse, urns)

    whole = f"{settings.clickhouse.database}_whole"
    from sinks.migrate import migrate

    migrate(clickhouse, whole)
    try:
        other = settings.model_copy(update={"clickhouse": settings.clickhouse.model_copy(update={"database": whole})})
        load(other)
        assert content(connect(other.clickhouse), urns) == broken
    finally:
        clickhouse.command(f"DROP DATABASE {whole} SYNC")
    assert len(broken["reference_version"]) == 4 * len(urns)


def content(client: Any, urns: range) -> dict[str, list[Any]]:
    """What the tables say about these schools, merged; when it was applied aside."""
    tables = dict.fromkeys(
        ("crosswalk", "enrolment", "group_membership", "school", "calendar_term", "school_week"), "urn"
    )
    found = {
        name: client.query(f"SELECT * FROM {name} FINAL WHERE {urn} IN {list(urns)} ORDER BY ALL").result_rows
        for name, urn in tables.items()
    }
    found["reference_version"] = client.query(
        "SELECT * EXCEPT applied_at FROM reference_version FINAL "
        f"WHERE toUInt32OrZero(key) IN {list(urns)} ORDER BY ALL"
    ).result_rows
    return found


class _Gate:
    """Whether the registry answers, and who has asked."""

    def __init__(self) -> None:
        self.opened = False
        self.asked: list[str] = []

    def set(self) -> None:
        self.opened = True


@contextmanager
def closed_registry(url: str) -> Iterator[tuple[str, _Gate]]:
    """A way to the registry that answers 503 until it is opened."""
    gate = _Gate()

    class Way(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            gate.asked.append(self.path)
            if not gate.opened:
                self.send_error(503)
                return
            answer = httpx.get(url + self.path)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Way)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", gate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_school_that_closes_takes_its_later_marks_out_of_the_figures_rule_12(
    settings: Settings, clickhouse: Any, publish: Publish, urn: int
) -> None:
    rows.code_map(clickhouse, {"/": "/"})
    publish("reference.school.v1", school(urn))
    load(settings)
    rows.history(clickhouse, [rows.mark(1, urn=urn), rows.mark(2, urn=urn, session_date=date(2025, 9, 9))])
    for hour, closed_on, days in ((6, date(2025, 9, 9), {9}), (7, None, {9, 10})):
        told = school(urn, closed_on=closed_on, taken_at=datetime(2025, 9, 20, hour, tzinfo=UTC))
        publish("reference.school.v1", told)
        load(settings)
        counting = clickhouse.query("SELECT session_date FROM marks_current").result_rows
        assert {day.day for (day,) in counting} == days
        assert verify(clickhouse, tries=1).equal
    # A loader that was killed between the version and the deriving: the next one finds what is left.
    last = school(urn, closed_on=date(2025, 9, 9), taken_at=datetime(2025, 9, 20, 8, tzinfo=UTC))
    reference.apply(clickhouse, [applied("school", last)], {})
    assert not verify(clickhouse, tries=1).equal
    load(settings)
    assert verify(clickhouse, tries=1).equal
