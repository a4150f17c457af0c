"""A school's rules for lessons by command: published, applied by the loader, shown, withdrawn; and what is refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain import lesson_rules_file
from rollcall.domain.codes import BY_CODE, CODES, NO_MARK
from rollcall.domain.lesson_rules import BEST, LessonRule, order
from rollcall.errors import UsageError
from rollcall.settings import Settings
from sinks.lesson_rules import latest
from tests.reference.conftest import TAKEN, Publish

RULE = LessonRule("roll_call", am=("Reg", "P1"), pm=("P4",), best=("/", "L"), first_day=date(2025, 9, 1))


@pytest.fixture
def by_command(
    settings: Settings, registered: dict[str, int], topics_made: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands ask the test's stack and database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)


def said(*words: str) -> Any:
    result = CliRunner().invoke(build(), ["lessons", *words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def load() -> None:
    assert CliRunner().invoke(build(), ["reference", "run", "--once"]).exit_code == 0


@pytest.mark.usefixtures("by_command")
def test_publish_show_and_withdraw_by_command(clickhouse: Any, urn: int, tmp_path: Path) -> None:
    assert said("show", "--urn", str(urn)) == {"school": urn, "rules": []}
    file = tmp_path / "lessons.json"
    file.write_text(json.dumps({"school": urn, "rules": lesson_rules_file.written([RULE])}), encoding="utf-8")
    told = said("publish", str(file), "--author", "office", "--reason", "registers of lessons only")
    assert told == {"school": urn, "published": 1}
    load()
    shown = said("show", "--urn", str(urn))
    assert (shown["author"], shown["reason"]) == ("office", "registers of lessons only")
    found = latest(clickhouse, urn)
    assert found is not None
    assert found.rules == (RULE,)
    file.write_text(json.dumps(shown), encoding="utf-8")
    assert lesson_rules_file.read(file) == (urn, (RULE,)), "what is shown can be published"
    assert said("withdraw", "--urn", str(urn), "--reason", "registers again") == {"school": urn, "published": 0}
    load()
    assert said("show", "--urn", str(urn))["rules"] == []
    versions = said("history", "--urn", str(urn))
    assert [len(one["rules"]) for one in versions] == [1, 0]
    assert versions[0]["version"] < versions[1]["version"]
    in_view = f"SELECT name, is_latest FROM lesson_rules WHERE urn = {urn} ORDER BY version"
    assert clickhouse.query(in_view).result_rows == [("roll_call", False), ("", True)]
    for words in (["show", "--urn", str(urn)], ["history"]):
        assert CliRunner().invoke(build(), ["lessons", *words]).exit_code == 0


@pytest.mark.usefixtures("by_command")
def test_a_message_with_a_rule_that_cannot_hold_is_refused_and_changes_nothing(
    clickhouse: Any, publish: Publish, urn: int
) -> None:
    wrong = {**RULE._asdict(), "am": ["Reg", "Reg"]}
    publish(
        "reference.lesson-rule.v1",
        {"urn": urn, "published_at": TAKEN, "author": "test", "reason": "test", "rules": [wrong]},
    )
    load()
    details = clickhouse.query("SELECT detail FROM quarantine FINAL WHERE reason = 'not_to_be_applied'").result_rows
    assert ('rule 1, "roll_call": the lesson Reg is named twice',) in details
    assert latest(clickhouse, urn) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rules", "no JSON"),
        ("[]", 'an object with "school" and the list "rules"'),
        ('{"rules": []}', "school is a URN"),
        ('{"school": 0, "rules": []}', "0 is no URN"),
        ('{"school": 1, "rules": [{"name": "a", "lessons": []}]}', "rule 1: lessons is no field"),
        ('{"school": 1, "rules": [{"name": "a", "am": "P1"}]}', "am is a list of texts"),
        ('{"school": 1, "rules": [{"name": "a", "am": ["P1"], "from": "1/9/2025"}]}', "written 2026-01-05"),
        ('{"school": 1, "rules": [{"am": ["P1"]}]}', "name is a text"),
        ('{"school": 1, "rules": [{"name": "a"}]}', "names no lesson"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_rule(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "lessons.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=complaint):
        lesson_rules_file.read(file)


def test_the_order_knows_every_code_and_a_child_who_was_seen_was_in_school() -> None:
    assert sorted(BEST) == sorted(code.code for code in CODES if code.code != NO_MARK)
    place = {code: number for number, code in enumerate(BEST)}
    present = [code for code in BEST if BY_CODE[code].counts_as_attendance and code != "L"]
    absent = [code for code in BEST if BY_CODE[code].absence_type and code not in ("N", "U")]
    assert max(place[code] for code in present) < place["L"] < place["U"] < min(place[code] for code in absent)
    assert BEST[-1] == "N"
    assert order(("I", "/"))[:3] == ("I", "/", "\\")
    assert sorted(order(("I", "/"))) == sorted(BEST)
