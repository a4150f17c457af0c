"""CSV files to real Kafka: a process that is killed in the middle, a million rows, the same file twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import BadPage, Page, Pull, Reference
from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.refused import RefusedFolder
from connectors.runner import Pulled, Runner
from connectors.state import StateFolder
from tests.connectors.conftest import ReadTopic
from tests.connectors.drops import SCHOOL, TAKEN, Drop, table

MIS = "attendance.mis.v1"
PLAIN = ("pupil_id", "date", "session", "code")


def rows(count: int, code: str = "/") -> str:
    return table(PLAIN, *((f"r{number}", "2025-09-10", "AM", code) for number in range(count)))


class Puller:
    """Pulls a drop through the runner."""

    def __init__(self, drop: Drop, publisher: Publisher, encoder: Encoder, folder: Path) -> None:
        self.drop, self.folder = drop, folder
        self.made = drop.connector()
        self._publisher, self._encoder = publisher, encoder

    def pull(self) -> Pulled:
        async def once() -> Pulled:
            state, refused = StateFolder(self.folder / "state"), RefusedFolder(self.folder / "kept")
            runner = Runner(self.made, self._publisher, self._encoder, state, refused)
            (pulled,) = await runner.round(await self.made.discover(), what="marks")
            return pulled

        return asyncio.run(once())

    def kept(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in sorted((self.folder / "kept").rglob("*.json"))]


@pytest.fixture
def puller(tmp_path: Path, urn: int, publisher: Publisher, encoder: Encoder) -> Puller:
    return Puller(Drop(tmp_path / "drop", urn, rows_a_page="10"), publisher, encoder, tmp_path)


def ids(pages: list[dict[str, Any]]) -> list[str]:
    return [mark["pupil_ref"] for page in pages for mark in page["marks"]]


@pytest.mark.parametrize("pages", [1, 4, 9])
def test_kill_in_the_middle_of_a_file_loses_and_skips_nothing_and_goes_on_where_it_was(
    stack: Any, kafka: str, urn: int, read_topic: ReadTopic, tmp_path: Path, pages: int
) -> None:
    drop = Drop(tmp_path / "drop", urn, rows_a_page="10")
    drop.write("marks.csv", rows(95))
    arguments = json.dumps({"folder": str(drop.root), "urn": urn, "options": drop.options})

    def child(*stop_after: str) -> list[str]:
        program = [sys.executable, "-m", "tests.connectors.pull_child", "tests.connectors.drops:connector", arguments]
        return [*program, str(tmp_path / "child"), kafka, stack.registry, *stop_after]

    with subprocess.Popen(child(str(pages)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "stopped"
        process.send_signal(signal.SIGKILL)
    assert len(ids(read_topic(MIS, urn))) == 10 * pages
    assert drop.files("taking") == [".marks.csv.place", "marks.csv"]
    done = subprocess.run(child(), capture_output=True, check=False, text=True, timeout=120)
    assert done.stdout.strip() == "pulled", done.stderr
    said = read_topic(MIS, urn)
    assert ids(said) == [f"r{number}" for number in range(95)]
    assert len({page["pull_id"] for page in said}) == 2, "what goes on is told from what began"
    assert {page["taken_at"] for page in said} == {TAKEN}
    assert drop.files("taking") == []
    assert len(drop.files("done/marks")) == 1


@pytest.mark.parametrize("dies_at", [1, 2, 10])
def test_dying_between_kafka_and_the_place_in_the_file_says_one_page_again(
    puller: Puller, read_topic: ReadTopic, urn: int, dies_at: int
) -> None:
    puller.drop.write("marks.csv", rows(95))
    really, calls = puller.made.acknowledged, []

    async def acknowledged(pull: Pull, what: Page | BadPage | Reference) -> None:
        calls.append(what)
        if len(calls) == dies_at:
            raise OSError("the disk is full, in this test")
        await really(pull, what)

    puller.made.acknowledged = acknowledged  # type: ignore[method-assign]
    assert puller.pull().outcome == "failed"
    assert puller.drop.files("done/marks") == []
    puller.made.acknowledged = really  # type: ignore[method-assign]
    assert puller.pull().outcome == "pulled"
    said = ids(read_topic(MIS, urn))
    assert list(dict.fromkeys(said)) == [f"r{number}" for number in range(95)]
    assert len(said) <= 95 + 10
    assert len(puller.drop.files("done/marks")) == 1


def test_rule_18_a_whole_export_that_is_killed_begins_again_so_that_its_pages_are_of_one_pull(
    stack: Any, kafka: str, urn: int, read_topic: ReadTopic, tmp_path: Path
) -> None:
    drop = Drop(tmp_path / "drop", urn, rows_a_page="10", complete="yes", names="marks_{first_day}.csv")
    drop.write("marks_2025-09-10.csv", rows(35))
    arguments = json.dumps({"folder": str(drop.root), "urn": urn, "options": drop.options})

    def child(*stop_after: str) -> list[str]:
        program = [sys.executable, "-m", "tests.connectors.pull_child", "tests.connectors.drops:connector", arguments]
        return [*program, str(tmp_path / "child"), kafka, stack.registry, *stop_after]

    with subprocess.Popen(child("2"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "stopped"
        process.send_signal(signal.SIGKILL)
    done = subprocess.run(child(), capture_output=True, check=False, text=True, timeout=120)
    assert done.stdout.strip() == "pulled", done.stderr
    pages = read_topic(MIS, urn)[2:]
    assert ids(pages) == [f"r{number}" for number in range(35)]
    assert [(page["page"], page["last_page"]) for page in pages] == [(0, False), (1, False), (2, False), (3, True)]
    assert {(page["complete"], str(page["window_from"]), str(page["window_to"])) for page in pages} == {
        (True, "2025-09-10", "2025-09-10")
    }


def test_rule_18_a_whole_export_with_a_bad_row_is_not_said_to_be_whole(
    tmp_path: Path, urn: int, publisher: Publisher, encoder: Encoder, read_topic: ReadTopic
) -> None:
    drop = Drop(tmp_path / "drop", urn, complete="yes", names="marks_{first_day}.csv")
    puller = Puller(drop, publisher, encoder, tmp_path)
    drop.write("marks_2025-09-10.csv", rows(3) + "r3,2025-09-10\n")
    assert puller.pull().refused == 1
    assert not any(page["last_page"] for page in read_topic(MIS, urn))
    (kept,) = puller.kept()
    assert (kept["resource"], kept["records"]) == (
        "marks_2025-09-10.csv",
        [{"reason": "it has 2 columns, and the first line names 4", "record": {"line": 5, "last_line": 5}}],
    )


def test_the_same_file_twice_is_said_twice_and_each_is_put_away(
    puller: Puller, read_topic: ReadTopic, urn: int
) -> None:
    for minute in range(2):
        puller.drop.write("marks.csv", rows(15), TAKEN + timedelta(minutes=minute))
        assert puller.pull().marks == 15
    pages = read_topic(MIS, urn)
    assert ids(pages) == [f"r{number}" for number in range(15)] * 2
    assert [page["taken_at"] for page in pages] == [TAKEN, TAKEN, *[TAKEN + timedelta(minutes=1)] * 2]
    assert len(puller.drop.files("done/marks")) == 2


def test_a_refused_file_is_incomplete_once_and_holds_up_nothing(
    puller: Puller, read_topic: ReadTopic, urn: int
) -> None:
    puller.drop.write("a.csv", b"pupil_id,date\n")
    puller.drop.write("b.csv", rows(2), TAKEN + timedelta(minutes=1))
    pulled = puller.pull()
    assert (pulled.outcome, pulled.refused, pulled.marks) == ("incomplete", 1, 2)
    assert puller.pull().outcome == "pulled"
    assert ids(read_topic(MIS, urn)) == ["r0", "r1"]
    assert [kept["bytes_kept"] for kept in puller.kept()] == [False]


def test_nothing_of_the_folder_is_remembered_elsewhere(puller: Puller, urn: int) -> None:
    """The state says when the folder was last read; which files were is told by where they lie."""
    puller.drop.write("marks.csv", rows(15))
    puller.pull()
    stored = (puller.folder / "state" / f"{SCHOOL}.json").read_text()
    assert "marks.csv" not in stored


def test_a_million_rows_are_never_held_at_once(tmp_path: Path) -> None:
    drop = Drop(tmp_path)
    file = drop.folder / "marks.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("pupil_id,name,date,session,code\n")
        for number in range(1_000_000):
            out.write(f"r{number},Nobody,{10 + number % 9}/09/2025,AM,/\n")

    os.utime(file, (TAKEN.timestamp(), TAKEN.timestamp()))

    async def pull() -> tuple[int, int, list[str]]:
        made = drop.connector()
        (source,) = await made.discover()
        marks, most, ends = 0, 0, []
        async for part in made.parts(Pull("p", source, TAKEN)):
            async for page in made.pull(part):
                assert isinstance(page, Page)
                said = made.to_message(part, page)
                assert not said.refused
                marks, most = marks + len(said.marks), max(most, len(page.records))
                ends += [said.marks[place]["pupil_ref"] for place in (0, -1) if said.marks]
                await made.acknowledged(part, page)
        return marks, most, [ends[0], ends[-1]]

    assert asyncio.run(pull()) == (1_000_000, 1_000, ["r0", "r999999"])
    assert len(drop.files("done/marks")) == 1
