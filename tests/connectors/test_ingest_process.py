"""The ingest API as the process that `rollcall ingest run` is: killed, stopped, refused its port."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from connectors.ingest.keys import add
from connectors.ingest.page import EXAMPLES
from tests.connectors.conftest import ReadTopic

TOPIC = "attendance.register.v1"
_ROLLCALL = [sys.executable, "-c", "from rollcall.cli.app import main; main()"]


@pytest.fixture
def environment(stack: Any, kafka: str, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "ROLLCALL_HOME": str(tmp_path),
        "ROLLCALL_KAFKA__BOOTSTRAP": kafka,
        "ROLLCALL_REGISTRY__URL": stack.registry,
    }


@contextmanager
def api(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and its URL once it listens."""
    command = [*_ROLLCALL, "ingest", "run", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            match = re.search(r"http://\S+", process.stdout.readline())
            assert match is not None
            yield process, match.group()
        finally:
            process.kill()


def test_sigkill_under_load_loses_nothing_that_was_answered(
    environment: dict[str, str], tmp_path: Path, urn: int, read_topic: ReadTopic
) -> None:
    """Senders go on until the API dies under them; what they were told 202 of is on the topic, each once."""
    _, token = add(tmp_path / "ingest-keys.json", "classroom", None)
    answered: list[str] = []

    async def send(client: httpx.AsyncClient, process: subprocess.Popen[str]) -> None:
        while True:
            body = {**EXAMPLES["register"]["value"], "urn": urn, "submission_id": str(uuid4())}
            try:
                answer = await client.post("/v1/registers", json=body)
            except httpx.HTTPError:
                return
            assert answer.status_code == 202
            answered.append(body["submission_id"])
            if len(answered) == 150:
                process.send_signal(signal.SIGKILL)

    async def load(process: subprocess.Popen[str], url: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
            await asyncio.gather(*(send(client, process) for _ in range(8)))

    with api(environment) as (process, url):
        asyncio.run(load(process, url))
    on_topic = [record["submission_id"] for record in read_topic(TOPIC, urn)]
    assert len(answered) >= 150
    assert set(answered) <= set(on_topic)
    assert len(on_topic) == len(set(on_topic))


def test_sigterm_answers_and_leaves_with_zero(environment: dict[str, str]) -> None:
    with api(environment) as (process, url):
        assert httpx.get(f"{url}/readyz").json()["ready"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_port_that_is_taken_is_one_clear_line(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [*_ROLLCALL, "ingest", "run", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_keys_are_made_listed_and_revoked_by_command(environment: dict[str, str]) -> None:
    def run(*arguments: str) -> str:
        command = [*_ROLLCALL, "ingest", "key", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout

    token = run("add", "--source", "classroom", "--urn", "100001").strip()
    assert token.startswith("rck_")
    listed = run("list", "--json")
    assert '"schools": 1' in listed
    assert token.split("_", 2)[2] not in listed
    assert "is revoked since" in run("revoke", token.split("_")[1])
