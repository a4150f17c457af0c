"""The integration suite again, on containers of Kafka, a registry and a ClickHouse server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers.stack import image, why_no_engine

ROOT = Path(__file__).parents[2]


@pytest.mark.docker
@pytest.mark.timeout(3600)
def test_the_tests_that_stand_on_the_stack_pass_on_containers() -> None:
    reason = why_no_engine()
    if reason:
        pytest.skip(reason)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--stack=containers", "-m", "stack", "-q"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]


@pytest.mark.parametrize("service", ["kafka", "registry", "clickhouse"])
def test_the_containers_are_those_of_the_compose_file(service: str) -> None:
    assert ":" in image(service)
