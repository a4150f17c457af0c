"""`rollcall reconcile` as a process, and the wait before it: for the tests that compare us with a source."""

from __future__ import annotations

import os
import subprocess
import sys

from rollcall.settings import Settings
from tests.streams.rig import Place, Rig
from tests.topic_ends import watermarks

__all__ = ["reconcile", "settle_pages"]


def settle_pages(rig: Rig) -> None:
    """Wait until the worker has taken in every page that is on Kafka."""
    ends = watermarks(rig.settings.kafka, "attendance.mis")
    rig.settle(*(Place(topic, partition, high - 1) for (topic, partition), (_, high) in ends.items() if high))


def reconcile(house: Settings, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `rollcall reconcile` with these options against the installation of ``house``."""
    environment = {
        **os.environ,
        "ROLLCALL_KAFKA__BOOTSTRAP": "127.0.0.1:1",  # nothing is published: no broker is needed
        "ROLLCALL_REGISTRY__URL": house.registry.url,
        "ROLLCALL_CLICKHOUSE__HOST": house.clickhouse.host,
        "ROLLCALL_CLICKHOUSE__PORT": str(house.clickhouse.port),
        "ROLLCALL_CLICKHOUSE__DATABASE": house.clickhouse.database,
    }
    command = [sys.executable, "-m", "rollcall.cli", "reconcile", *options, "--home", str(house.home)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=90)
