"""Merging and splitting by command: published, applied by the loader, explained, undone; and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain.pupil_aliases import split
from rollcall.settings import Settings
from sinks import reference
from tests.reference.conftest import TAKEN, Publish, applied, pupil, roster


@pytest.fixture
def pupils(
    settings: Settings, clickhouse: Any, publish: Publish, monkeypatch: pytest.MonkeyPatch, urn: int
) -> list[str]:
    """Two pupils of the test's school."""
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    reference.apply(clickhouse, [applied("roster", roster(urn, pupil("mis:1"), pupil("mis:2")))], {})
    rows = reference.load_crosswalk(clickhouse, [urn]).to_pylist()
    return [str(row["pupil_id"]) for row in sorted(rows, key=lambda row: row["ref"])]


def said(*words: str) -> Any:
    result = CliRunner().invoke(build(), ["identity", *words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def load() -> None:
    assert CliRunner().invoke(build(), ["reference", "run", "--once"]).exit_code == 0


def test_merge_split_and_undo_by_command(clickhouse: Any, pupils: list[str], urn: int) -> None:
    one, two = pupils
    assert said("merge", one, two, "--reason", "entered twice") == {"pupil_id": one, "counts_for": [two]}
    load()
    told = said("explain", "--urn", str(urn), "--scheme", "mis", "--ref", "1")
    assert told["pupil_ids"] == sorted(pupils, key=int)
    assert [(entry["pupil_id"], entry["urn"]) for entry in told["enrolments"]] == [
        (number, urn) for number in sorted(pupils, key=int)
    ]
    assert [(entry["to_pupil_id"], entry["kind"], entry["in_force"]) for entry in told["aliases"]] == [
        (two, "merge", True)
    ]
    assert all("ref" not in name for name in told["named_by"]), "what sources call a pupil is shown when asked for"
    assert {name["ref"] for name in said("explain", one, "--references")["named_by"]} == {"1", "2"}
    said("undo", one, "--reason", "two children after all")
    load()
    said("split", two, "--source", "old-mis", "--from", "2025-09-01", "--reason", "number given again")
    load()
    kinds = [(entry["pupil_id"], entry["kind"], entry["in_force"]) for entry in said("history")]
    mine = [entry for entry in kinds if entry[0] in pupils]
    assert mine == [(one, "merge", False), (one, "undo", False), (two, "split", True)]
    assert reference.load_aliased(clickhouse).num_rows >= 3
    for words in (["history"], ["explain", two]):
        assert CliRunner().invoke(build(), ["identity", *words]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["merge", "x", "1", "--reason", "r"], "x is no pupil_id"),
        (["merge", "1", "1", "--reason", "r"], "its own pupil_id|no roster knows pupil 1"),
        (["merge", "{}", "12345", "--reason", "r"], "no roster knows pupil 12345"),
        (["split", "{}", "--reason", "r"], "say which marks are another child's"),
        (["undo", "12345", "--reason", "r"], "no roster knows pupil 12345"),
        (["explain"], "give a pupil_id"),
        (["explain", "--urn", "1", "--scheme", "mis", "--ref", "none"], "names nobody"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_published(pupils: list[str], words: list[str], complaint: str) -> None:
    result = CliRunner().invoke(build(), ["identity", *(word.format(pupils[0]) for word in words)])
    assert result.exit_code != 0
    assert any(part in str(result.exception) for part in complaint.split("|"))


def test_a_message_that_leads_to_two_pupils_is_refused(clickhouse: Any, pupils: list[str], publish: Publish) -> None:
    aliases = [{**split(int(one))._asdict(), "to_pupil_id": str(split(int(one)).to_pupil_id)} for one in pupils]
    message = {"pupil_id": "77", "published_at": TAKEN, "author": "test", "reason": "test", "aliases": aliases}
    publish("reference.pupil-alias.v1", message)
    load()
    details = clickhouse.query("SELECT detail FROM quarantine FINAL WHERE reason = 'not_to_be_applied'").result_rows
    assert ("the marks of a pupil_id count for itself and one other, not for two",) in details
