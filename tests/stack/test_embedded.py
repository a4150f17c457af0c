"""Starting, crashing and recovering the embedded stack, and what it says when it cannot start."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from rollcall.errors import StackError
from rollcall.stack import EmbeddedStack, StackUrls, jars, kafka
from rollcall.stack.home import Home, free_port
from rollcall.stack.processes import ChildRecord

pytestmark = pytest.mark.stack

TOPIC = "register"


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """A stack of these tests alone: they kill its parts."""
    stack = EmbeddedStack(tmp_path_factory.mktemp("own"))
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


def produce(urls: StackUrls, values: list[bytes]) -> None:
    """Make the topic if it is not there, and write values that the broker acknowledges."""
    admin = AdminClient({"bootstrap.servers": urls.kafka})
    if TOPIC not in admin.list_topics(timeout=10).topics:
        admin.create_topics([NewTopic(TOPIC, 3, 1)])[TOPIC].result()
    producer = Producer({"bootstrap.servers": urls.kafka, "acks": "all"})
    for value in values:
        producer.produce(TOPIC, value, partition=0)
    assert producer.flush(20) == 0


def consume(urls: StackUrls) -> list[bytes]:
    """Every value of partition 0, up to its end offset when asked."""
    consumer = Consumer({"bootstrap.servers": urls.kafka, "group.id": "reader", "enable.auto.commit": False})
    try:
        partition = TopicPartition(TOPIC, 0, 0)
        _, end = consumer.get_watermark_offsets(partition, timeout=10)
        consumer.assign([partition])
        values: list[bytes] = []
        while len(values) < end:
            message = consumer.poll(10)
            assert message is not None
            assert message.error() is None
            values.append(message.value())
        return values
    finally:
        consumer.close()


def clickhouse(urls: StackUrls) -> Any:
    return clickhouse_connect.get_client(host=urls.clickhouse_host, port=urls.clickhouse_port)


def test_up_again_changes_nothing(own_stack: EmbeddedStack) -> None:
    urls, pids = own_stack.up(), own_stack.pids()
    assert set(pids) == {"kafka", "registry", "clickhouse"}
    assert EmbeddedStack(own_stack.home).up() == urls
    assert EmbeddedStack(own_stack.home).pids() == pids
    status = own_stack.status()
    assert status.ready
    assert {service.name: service.pid for service in status.services} == pids


def test_the_state_file_says_where_everything_is(own_stack: EmbeddedStack) -> None:
    urls = own_stack.up()
    state = json.loads((own_stack.home / "stack.json").read_text())
    assert state["kafka"] == {"bootstrap": urls.kafka}
    assert state["registry"] == {"url": urls.registry}
    assert state["clickhouse"] == {"host": urls.clickhouse_host, "port": urls.clickhouse_port}
    assert state["pids"] == own_stack.pids()


def test_all_of_it_listens_on_this_machine_only(own_stack: EmbeddedStack) -> None:
    own_stack.up()
    for pid in own_stack.pids().values():
        listening = [c for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert listening
        assert {connection.laddr.ip for connection in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_children_have_sessions_of_their_own_and_none_of_our_files(own_stack: EmbeddedStack, tmp_path: Path) -> None:
    own_stack.up()
    own_stack.kill("registry")
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        own_stack.up()
        for pid in own_stack.pids().values():
            assert os.getsid(pid) == pid, "a Ctrl-C at our terminal would reach it"
            assert str(tmp_path / "ours") not in {file.path for file in psutil.Process(pid).open_files()}


@pytest.mark.parametrize("service", ["kafka", "registry", "clickhouse"])
def test_kill_and_up_again_recovers_with_state_intact(own_stack: EmbeddedStack, service: str) -> None:
    urls = own_stack.up()
    before = own_stack.pids()
    written = [f"{service}-{n}".encode() for n in range(500)]
    produce(urls, written)
    schema = json.dumps({"type": "enum", "name": f"S_{service}", "symbols": ["AM", "PM"]})
    subject = f"{urls.registry}/subjects/{service}/versions"
    schema_id = httpx.post(subject, json={"schema": schema}, trust_env=False).json()["id"]
    with clickhouse(urls) as client:
        client.command("CREATE TABLE IF NOT EXISTS kept (service String, n UInt32) ENGINE = MergeTree ORDER BY n")
        client.insert("kept", [[service, n] for n in range(500)], column_names=["service", "n"])

    own_stack.kill(service)
    assert set(own_stack.pids()) == set(before) - {service}
    assert not own_stack.status().ready
    assert own_stack.up() == urls, "clients keep their addresses"
    after = own_stack.pids()
    assert {name for name in after if after[name] != before[name]} == {service}

    assert consume(urls)[-500:] == written
    assert httpx.post(subject, json={"schema": schema}, trust_env=False).json()["id"] == schema_id
    with clickhouse(urls) as client:
        kept = client.query(f"SELECT count(), uniqExact(n) FROM kept WHERE service = '{service}'").result_rows
        assert kept == [(500, 500)]


def test_down_and_up_keeps_data_and_addresses(own_stack: EmbeddedStack) -> None:
    urls = own_stack.up()
    produce(urls, [b"kept over down"])
    pids = own_stack.pids()
    own_stack.down()
    assert own_stack.pids() == {}
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert [service.running for service in own_stack.status().services] == [False] * 3
    assert own_stack.up() == urls
    assert consume(urls)[-1] == b"kept over down"


def test_a_page_of_ten_thousand_marks_fits_in_one_message(own_stack: EmbeddedStack) -> None:
    urls = own_stack.up()
    producer = Producer({"bootstrap.servers": urls.kafka, "message.max.bytes": 8_000_000})
    failed: list[Any] = []
    produce(urls, [])
    producer.produce(
        TOPIC, os.urandom(4_000_000), partition=1, on_delivery=lambda e, _: failed.append(e) if e else None
    )
    assert producer.flush(20) == 0
    assert failed == []


def test_two_stacks_in_two_folders_do_not_meet(own_stack: EmbeddedStack, tmp_path: Path) -> None:
    ours = own_stack.up()
    other = EmbeddedStack(tmp_path)
    try:
        theirs = other.up()
        assert len({ours.kafka, theirs.kafka}) == len({ours.registry, theirs.registry}) == 2
        assert ours.clickhouse_port != theirs.clickhouse_port
        ids = {AdminClient({"bootstrap.servers": u.kafka}).list_topics(timeout=10).cluster_id for u in (ours, theirs)}
        assert len(ids) == 2
        with pytest.raises(StackError, match="not ours"):
            kafka.answers(theirs.kafka, kafka.cluster_id(Home(own_stack.home)))
        other.down()
        assert own_stack.status().ready
    finally:
        other.down()


def test_a_port_taken_by_another_program_is_left_to_it(own_stack: EmbeddedStack) -> None:
    before = own_stack.up()
    own_stack.kill("registry")
    said: list[str] = []
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", int(before.registry.rsplit(":", 1)[1])))
        stranger.listen()
        after = own_stack.up(progress=said.append)
    assert after.registry != before.registry
    assert (after.kafka, after.clickhouse_port) == (before.kafka, before.clickhouse_port)
    assert any("taken by another program" in line for line in said)
    assert json.loads((own_stack.home / "stack.json").read_text())["registry"]["url"] == after.registry
    assert httpx.get(f"{after.registry}/subjects", trust_env=False).status_code == 200


def test_a_pid_that_is_now_a_stranger_is_not_touched(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        record = ChildRecord.of(stranger.pid)
        stack = EmbeddedStack(tmp_path)
        earlier = {"pid": record.pid, "started_at": record.started_at - 60}
        Home(tmp_path).write_state({"processes": {"kafka": earlier}, "pids": {"kafka": record.pid}})
        assert stack.pids() == {}
        with pytest.raises(StackError, match="does not run"):
            stack.kill("kafka")
        stack.down()
        assert stranger.poll() is None
    finally:
        stranger.communicate()


def test_a_service_that_cannot_start_is_one_clear_line_and_the_rest_is_found_by_down(tmp_path: Path) -> None:
    stack = EmbeddedStack(tmp_path)
    (tmp_path / "registry").mkdir(parents=True)
    (tmp_path / "registry" / "schemas.log").write_text("this is no log of ours\n")
    try:
        with pytest.raises(StackError, match="registry ended while starting") as raised:
            stack.up()
        assert "\n" not in str(raised.value)
        assert set(stack.pids()) == {"kafka", "clickhouse"}
    finally:
        stack.down()
    assert stack.pids() == {}


def test_a_broken_jar_is_named_and_nothing_is_started_with_it(tmp_path: Path) -> None:
    whole = jars.cache_folder() / "kafka"
    broken = jars.pinned_jars()[7]
    for jar in jars.pinned_jars():
        copy = tmp_path / "kafka" / jar.path
        copy.parent.mkdir(parents=True)
        copy.symlink_to(whole / jar.path)
    (tmp_path / "kafka" / broken.path).unlink()
    (tmp_path / "kafka" / broken.path).write_bytes(b"half a jar")
    with pytest.raises(StackError, match=broken.path.name) as raised:
        jars.fetch(tmp_path)
    assert hashlib.sha256(b"half a jar").hexdigest()[:12] in str(raised.value)
    assert "Delete that file" in str(raised.value)


def test_a_home_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="Choose another with --home"):
        EmbeddedStack(tmp_path / "file" / "home").up()


def test_a_broken_state_file_says_what_to_delete(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(StackError, match="Delete that file"):
        EmbeddedStack(tmp_path).pids()


def rollcall(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from rollcall.cli.app import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def test_status_and_doctor_from_the_command_line(own_stack: EmbeddedStack) -> None:
    urls = own_stack.up()
    home = ["--home", str(own_stack.home)]
    status = rollcall("status", "--json", *home)
    assert status.returncode == 0, status.stderr
    found = json.loads(status.stdout)
    assert (found["kafka"]["url"], found["registry"]["url"]) == (urls.kafka, urls.registry)
    assert found["clickhouse"]["url"] == f"http://{urls.clickhouse_host}:{urls.clickhouse_port}"
    scoped = json.loads((own_stack.home / "stack.json").read_text())["clickhouse_scoped"]
    assert found["clickhouse"]["scoped_url"] == f"http://{scoped['host']}:{scoped['port']}"
    assert found["ready"] is True
    doctor = rollcall("doctor", "--json", *home)
    checks = {check["name"]: check for check in json.loads(doctor.stdout)}
    for name in ("python", "kafka jars", "java", "clickhouse engine", "kafka", "registry", "clickhouse"):
        assert checks[name]["well"], checks[name]


def test_status_of_nothing_says_how_to_start(tmp_path: Path) -> None:
    status = rollcall("status", "--home", str(tmp_path / "none"))
    assert status.returncode == 1
    assert "rollcall up --detach" in status.stdout
    assert not (tmp_path / "none").exists()


def test_in_the_foreground_ctrl_c_stops_all_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from rollcall.cli.app import main; main()", "up", "--home", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert any("Ctrl-C stops it" in line for line in running.stderr)
        pids = EmbeddedStack(tmp_path).pids()
        assert len(pids) == 3
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


def test_free_ports_can_be_had(tmp_path: Path) -> None:
    ports = Home(tmp_path)
    ports.folder()
    first = ports.ports(("a", "b", "c"))
    assert len(set(first.values())) == 3
    assert ports.ports(("a", "b", "c")) == first
    assert free_port() not in first.values()
