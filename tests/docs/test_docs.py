"""The documents: what they name exists, and what must be in them is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from rollcall.cli._page import page
from rollcall.cli.app import build
from rollcall.domain.findings import EXCEPTION_NAMES, QUARANTINE_NAMES
from rollcall.domain.quality import QUALITY
from rollcall.failpoints import ARCHIVE_POINTS, FAIL_POINTS, REPLAY_POINTS
from streams.steps import STEPS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: A path of this repository in code marks: `streams/steps.py`, `sinks/sql/`, `schemas/attendance.mis.v1/1.avsc`.
_PATH = re.compile(
    r"`((?:schemas|connectors|streams|sinks|rollcall|tests|benchmarks|deploy|docs|requirements)/[\w./-]*)[`: ]"
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[`\s(/])rollcall ((?:[a-z][a-z0-9-]* ?)+)", re.M)
#: One line of README's path of a mark: | what | `file.py` | `function`, `Class.method` |
_STATION = re.compile(r"^\|[^|]*\| `([\w./-]+\.py)` \| ([^|]+) \|", re.M)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*path, name))


def _anchors(file: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _text(file), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    """If not: python -m rollcall.cli._page docs/cli.md"""
    assert _text(ROOT / "docs/cli.md") == page()


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_every_path_and_link_leads_somewhere(file: Path) -> None:
    text = _text(file)
    missing = [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    for link in _LINK.findall(text):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        there = file.parent / target if target else file
        if not there.exists() or (anchor and anchor not in _anchors(there)):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_every_command_exists(file: Path) -> None:
    known = set(_commands(typer.main.get_command(build())))
    groups = {path for path in known if any(other[:-1] == path for other in known if other)}
    unknown = []
    for block in re.findall(r"```\n(.*?)```|`([^`\n]+)`", _text(file), re.S):
        for words in _COMMAND.findall("".join(block)):
            path: tuple[str, ...] = ()
            for word in words.split():
                if path not in groups:
                    break
                path = (*path, word)
            if path not in known:
                unknown.append(words)
    assert unknown == []


def test_readme_names_the_stations_of_a_mark_as_they_are() -> None:
    stations = _STATION.findall(_text(ROOT / "README.md"))
    assert len(stations) > 10
    missing = []
    for file, names in stations:
        code = _text(ROOT / file)
        for name in re.findall(r"`([\w.]+)`", names):
            *_, last = name.split(".")
            if not re.search(rf"(?:def|class) {last}\b|^{last}\b", code, re.M):
                missing.append(f"{file}: {name}")
    assert missing == []


def test_readme_names_every_step() -> None:
    text = _text(ROOT / "README.md")
    assert [step.__name__ for step in STEPS if f"`{step.__name__}`" not in text] == []


def test_guarantees_say_what_is_true_at_every_fail_point() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \|", _text(ROOT / "docs/guarantees.md"), re.M)
    assert rows == [*FAIL_POINTS, *REPLAY_POINTS, *ARCHIVE_POINTS]


def test_the_runbook_knows_every_alert_and_every_finding() -> None:
    text = _text(ROOT / "docs/runbook.md")
    alerts = yaml.safe_load(_text(ROOT / "deploy/alerts.yml"))
    names = [rule["alert"] for group in alerts["groups"] for rule in group["rules"]]
    assert names
    assert [name for name in names if f"\n### {name}\n" not in text] == []
    assert [name for name in (*QUARANTINE_NAMES, *EXCEPTION_NAMES) if f"`{name}`" not in text] == []


def test_the_page_on_data_quality_says_of_every_kind_what_the_list_says() -> None:
    text = " ".join(_text(ROOT / "docs/data-quality.md").split())
    for one in QUALITY:
        said = (
            f"## quality_{one.name} - *What it is*: {one.what} - *When it matters*: {one.when_it_matters}"
            f" - *How to resolve it*: {one.how_to_resolve}"
        )
        assert said in text, one.name
    assert text.count("## quality_") == len(QUALITY)


def test_every_rule_that_code_names_is_written_down() -> None:
    named = set()
    for package in ("schemas", "connectors", "streams", "sinks", "rollcall", "tests"):
        for file in (ROOT / package).rglob("*"):
            if file.suffix in {".py", ".sql", ".avsc"}:
                named |= {int(number) for number in re.findall(r"\b[Rr]ule (\d+)\b", _text(file))}
    written = {int(number) for number in re.findall(r"^(\d+)\. ", _text(ROOT / "docs/rules.md"), re.M)}
    assert named <= written | set(range(20, 26))


def test_the_documents_name_no_place_of_one_machine() -> None:
    for file in DOCUMENTS:
        assert not re.search(r"(?<![\w.])/(?:home|root|work|tmp|Users)/", _text(file)), file.name
