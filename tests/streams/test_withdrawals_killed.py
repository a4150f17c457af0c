"""Rule 18 on the real stack: what a complete pull withdraws, when the puller or the worker is killed in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connectors.encoding import days
from tests.streams.messages import DAY, PAGE, Here
from tests.streams.rig import Place, Rig
from tests.topic_ends import watermarks


class Puller:
    """Pulls a scripted school's day as a process of its own; two records make a page, what is withdrawn the last."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self._rig, self._folder = rig, folder
        self._file = folder / "script.json"
        self._partition = rig.partition_of(Here.urn)
        self.holds = ["P0", "P1", "P2", "P3"]

    def pull(self, stop: str = "") -> None:
        """Pull the day whole; with `stop` the process is killed there, as `tests.connectors.pull_child` says."""
        self._file.write_text(json.dumps({"records": [_record(ref) for ref in self.holds]}))
        settings = self._rig.settings
        arguments = json.dumps({"file": str(self._file), "urn": Here.urn})
        program = [
            sys.executable,
            "-m",
            "tests.connectors.pull_child",
            "tests.connectors.scripted:connector",
            arguments,
        ]
        where = [str(self._folder), settings.kafka.bootstrap, settings.registry.url, stop, str(DAY), str(DAY)]
        with subprocess.Popen([*program, *where], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            if stop:
                process.send_signal(signal.SIGKILL)
        assert said == ("stopped" if stop else "pulled")

    def settled(self) -> dict[str, str]:
        """The marks that count when the worker has all, by pupil."""
        end = watermarks(self._rig.settings.kafka, PAGE)[PAGE, self._partition][1]
        self._rig.settle(Place(PAGE, self._partition, end - 1))
        return {ref: raw for (urn, ref, _), (_, raw, _) in self._rig.current().items() if urn == Here.urn}


@pytest.mark.parametrize("stop", ["0", "1", "2", "3+"])
def test_a_puller_killed_anywhere_withdraws_at_its_next_pull(working: Rig, tmp_path: Path, stop: str) -> None:
    """Before its first page, between two, before what it withdraws, and when that is on Kafka and not yet noted."""
    puller = Puller(working, tmp_path)
    puller.pull()
    assert puller.settled() == dict.fromkeys(["P0", "P1", "P2", "P3"], "/")
    puller.holds.remove("P1")
    puller.pull(stop)
    withdrawn = stop == "3+"
    assert ("P1" not in puller.settled()) == withdrawn, "what is not on Kafka withdraws nothing"
    puller.pull()
    assert puller.settled() == dict.fromkeys(["P0", "P2", "P3"], "/")
    puller.holds.append("P1")
    puller.pull()
    assert puller.settled() == dict.fromkeys(["P0", "P1", "P2", "P3"], "/")


def test_killed_between_withdrawing_and_coming_back_it_stands_again(working: Rig, tmp_path: Path) -> None:
    puller = Puller(working, tmp_path)
    puller.pull()
    puller.holds.remove("P1")
    puller.pull("3+")
    puller.holds.append("P1")
    puller.pull()
    assert puller.settled() == dict.fromkeys(["P0", "P1", "P2", "P3"], "/")


@pytest.mark.parametrize("failpoint", ["pending.written", "history.written", "derive.current_written"])
def test_a_worker_killed_with_a_withdrawal_in_hand_recovers_it(rig: Rig, tmp_path: Path, failpoint: str) -> None:
    puller = Puller(rig, tmp_path)
    with rig.worker():
        puller.pull()
        puller.settled()
    puller.holds.remove("P1")
    puller.pull()
    rig.killed_at(failpoint)
    with rig.worker():
        assert puller.settled() == dict.fromkeys(["P0", "P2", "P3"], "/")
    rig.check()


def test_the_history_keeps_what_was_withdrawn(working: Rig, tmp_path: Path) -> None:
    puller = Puller(working, tmp_path)
    puller.pull()
    puller.holds.remove("P1")
    puller.pull()
    puller.pull()
    assert "P1" not in puller.settled()
    rows = working.here(
        "SELECT record_id, deleted, raw_code FROM mark_event FINAL WHERE record_id LIKE 'P1:%' AND urn ="
    )
    assert sorted(rows) == [(_record("P1")["record_id"], False, "/"), (_record("P1")["record_id"], True, "")]
    assert working.counts(Here.urn)["AM", "/"] == 3


def _record(ref: str) -> dict[str, Any]:
    return {
        "record_id": f"{ref}:{DAY}:AM",
        "pupil_ref": ref,
        "pupil_scheme": "mis",
        "session_date": days(DAY),
        "session": "AM",
        "period": None,
        "code": "/",
        "minutes_late": None,
        "modified_at": None,
        "changed": 0,
    }
