"""What a code counts as is tried before it is published, published, and rolled back: figures follow from its dates."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.categories import TOPIC, publish, read
from connectors.topic_contents import messages
from rollcall.cli.app import build
from rollcall.domain import published_files
from rollcall.domain.categories import BUILT_IN
from sinks.as_at import known
from sinks.categories import in_force, what_would_change
from streams.reference import Loader, Summary
from tests.streams.messages import DAY, OTHER_URN, URN, at, mark, register
from tests.streams.rig import Rig

Run = Callable[..., Result]

EVE = DAY - timedelta(days=1)
#: What the file says of X instead: authorised from the day on.
CHANGED = f"X,not_possible,,{EVE},not required to attend\nX,authorised_absence,{DAY},,leave\n"
WHO = ("--author", "data manager", "--reason")


@pytest.fixture
def run(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `rollcall ...` against this test's database; the topic is shared: in the end it says what is built in."""
    monkeypatch.setenv("ROLLCALL_HOME", str(rig.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", rig.database)
    yield lambda *arguments: CliRunner().invoke(build(), list(arguments))
    publish(rig.settings, BUILT_IN, author="test", reason="the end")


def load(rig: Rig) -> Summary:
    """What a loader does with what is on the topics."""
    return Loader(rig.settings, rig.client, group=f"test-{uuid.uuid4().hex}").run(once=True)


def document(run: Run, *words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def total(rig: Rig, day: date) -> dict[str, int]:
    """The headline's sums of a day."""
    (sums,) = rig.client.query(
        "SELECT sum(possible) AS possible, sum(attendance) AS attendance, sum(authorised) AS authorised"
        " FROM session_counts WHERE in_headline AND session_date = {day:Date}",
        parameters={"day": day},
    ).named_results()
    return {name: int(value) for name, value in sums.items()}


def figures(run: Run, folder: Path) -> bytes:
    """What a report prints and the publication writes, in bytes; but the version of the categories."""
    out = folder / "out.csv"
    days = ["--from", str(EVE), "--to", str(DAY), "--suppression", "none"]
    said = [
        run("report", "day", "--date", str(DAY), "--by", "phase", "--json"),
        run("publish", "attendance", *days, "--out", str(out)),
    ]
    assert [one.exit_code for one in said] == [0, 0], said[-1].output
    return re.sub(r'"categories_version": \d+', "", said[0].stdout).encode() + out.read_bytes()


def changed(run: Run, folder: Path) -> Path:
    """A file of what is in force, but for X."""
    lines = run("codes", "show", "--categories", "--csv").stdout.splitlines(keepends=True)
    assert lines[0] == "code,category,valid_from,valid_to,label\n"
    file = folder / "categories.csv"
    file.write_text("".join(CHANGED if line.startswith("X,") else line for line in lines), encoding="utf-8")
    return file


def test_figures_follow_from_the_dates_on_and_a_rollback_gives_those_of_before_byte_for_byte(
    rig: Rig, run: Run, tmp_path: Path
) -> None:
    with rig.worker():
        rig.done(
            *(register(mark("P0", "X"), mark("P1", "/"), session_date=day, submitted_at=at(0)) for day in (EVE, DAY)),
            register(mark("P0", "X"), mark("P1", "I"), session="PM", urn=OTHER_URN),
        )
    before = figures(run, tmp_path)
    now = total(rig, DAY)
    assert now == {"possible": 2, "attendance": 1, "authorised": 1}
    file = changed(run, tmp_path)

    told = document(run, "codes", "diff", str(file), "--categories")
    assert (told["sessions"], told["schools"], told["from"], told["to"]) == (2, 2, str(DAY), str(DAY))
    assert told["by_code"] == [
        {"code": "X", "was": "not_possible", "becomes": "authorised_absence", "sessions": 2, "schools": 2,
         "first_day": str(DAY), "last_day": str(DAY)}
    ]  # fmt: skip
    promised = told["figures"][-1]["after"]
    assert {name: promised[name] for name in now} == {"possible": 4, "attendance": 1, "authorised": 3}
    assert what_would_change(rig.client, read(file), last=EVE).sessions == 0

    said = run("codes", "publish", str(file), "--categories", *WHO, "X is leave")
    assert said.exit_code == 0, said.output
    assert total(rig, DAY) == now, "published, and not applied yet"
    refused = run("codes", "rollback", "--categories", *WHO, "unseen")
    assert "not in force yet: wait for the reference loader" in str(refused.exception)
    assert load(rig).applied == 1
    assert total(rig, EVE) == {"possible": 1, "attendance": 1, "authorised": 0}
    assert total(rig, DAY) == {name: promised[name] for name in now}
    version = in_force(rig.client).version
    assert version > 0
    assert known(rig.client, None).by == f"code map 1, categories {version}, rules built in"
    assert figures(run, tmp_path) != before
    sums = {
        row["attendance_date"][:2]: (row["possible_sessions"], row["authorised_absence"])
        for row in published_files.read(tmp_path / "out.csv")
        if (row["geographic_level"], row["school_type"], row["breakdown"]) == ("National", "Total", "Daily")
    }
    assert sums == {"09": ("1", "0"), "10": ("4", "3")}
    why = document(run, "explain", "--date", str(DAY), "--school", str(URN), "--column", "authorised_absence")
    assert (why["figure"], why["equal"], why["categories_version"]) == (1, True, version)
    assert (why["marks"][0]["category"], why["marks"][0]["label"]) == ("authorised_absence", "leave")
    assert what_would_change(rig.client, read(file)).sessions == 0

    # The same message once more is the same version; the rollback is one more.
    *_, last = messages(rig.settings, TOPIC)
    rig.send_raw((TOPIC, last.key(), last.value()))
    rolled_back = run("codes", "rollback", "--categories", *WHO, "too early")
    assert rolled_back.exit_code == 0, rolled_back.output
    again = load(rig)
    assert (again.applied, again.repeated) == (1, 1)
    assert figures(run, tmp_path) == before
    history = document(run, "codes", "history", "--categories")
    assert [(one["author"], one["reason"]) for one in history] == [
        ("Rollcall", "built in"), ("data manager", "X is leave"), ("data manager", "too early (as version 0)"),
    ]  # fmt: skip
    assert [[len(one[name]) for name in ("added", "removed", "changed")] for one in history[1:]] == [
        [1, 0, 1], [0, 1, 1],
    ]  # fmt: skip
    for words in (["show", "--categories"], ["history", "--categories"], ["diff", str(file), "--categories"]):
        shown = run("codes", *words)
        assert shown.exit_code == 0, shown.output
