"""Publishing rules between sources: the command, the loader, what is refused, and one sequence of numbers with maps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain import source_rules_file
from rollcall.domain.source_rules import BUILT_IN, SourceRule
from rollcall.errors import UsageError
from rollcall.settings import Settings
from sinks import reference
from sinks.source_rules import latest
from tests.reference.conftest import TAKEN, Cut, Publish, applied, code_map

INSTANT = datetime(2025, 10, 27, 1, 30, tzinfo=UTC)


def document(*rules: SourceRule, published_at: datetime = TAKEN) -> dict[str, Any]:
    return {
        "published_at": published_at,
        "author": "data manager",
        "reason": "test",
        "rules": [{**rule._asdict(), "codes": list(rule.codes)} for rule in rules],
    }


def test_the_commands_publish_and_show_and_the_loader_brings_in_force(
    settings: Settings, clickhouse: Any, publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, urn: int
) -> None:
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    runner = CliRunner()

    def said(*words: str) -> Any:
        result = runner.invoke(build(), [*words, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    file = tmp_path / "rules.json"
    rules = said("rules", "show")
    assert (rules["version"], len(rules["rules"])) == (0, len(BUILT_IN))
    rules["rules"].append(
        {"name": "new_mis", "precedence": 40, "school": urn, "source": "new-mis", "code_class": "definite",
         "from": "2099-01-05T06:00", "dates_mean": "knowledge"}
    )  # fmt: skip
    file.write_text(json.dumps(rules), encoding="utf-8")
    assert said("rules", "test", str(file)) == {"marks": 0, "changes": []}
    said("rules", "publish", str(file), "--author", "data manager", "--reason", "new MIS")
    said("reference", "run", "--once")
    shown = said("rules", "show")
    assert shown["reason"] == "new MIS"
    assert [rule["in_force"] for rule in shown["rules"]] == [True] * len(BUILT_IN) + [False]
    assert shown["rules"][-1]["from"] == "2099-01-05T06:00:00+00:00"
    assert said("rules", "history")[-1] == shown
    file.write_text(json.dumps(shown), encoding="utf-8")
    assert source_rules_file.read(file) == latest(clickhouse).rules
    for words in (["show"], ["test", str(file)], ["history"]):
        told = runner.invoke(build(), ["rules", *words])
        assert told.exit_code == 0, told.output


def test_a_document_that_lets_n_stand_before_a_definite_mark_is_refused_and_nothing_changes(
    settings: Settings, clickhouse: Any, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("reference.source-rule.v1", document(*BUILT_IN, SourceRule("any_mis", 99, source_kind="mis")))
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    assert CliRunner().invoke(build(), ["reference", "run", "--once"]).exit_code == 0
    details = clickhouse.query(
        "SELECT detail FROM quarantine FINAL WHERE reason = 'not_to_be_applied' AND topic = 'reference.source-rule.v1'"
    ).result_rows
    assert any('the rule "any_mis" (precedence 99) would let N' in detail for (detail,) in details)
    assert "any_mis" not in {rule.name for rule in latest(clickhouse).rules}


def test_maps_and_rules_count_in_one_sequence(clickhouse: Any) -> None:
    hour = timedelta(hours=1)
    reference.apply(clickhouse, [applied("code-map", code_map("local", 1, ("9", "Y")))])
    reference.apply(clickhouse, [applied("source-rule", document(*BUILT_IN))])
    assert latest(clickhouse).version == 2
    later = code_map("local", 2, ("9", "I"), published_at=TAKEN + hour)
    older = code_map("local", 2, ("9", "C"), published_at=TAKEN - hour)
    reference.apply(clickhouse, [applied("code-map", later), applied("code-map", older)])
    entries, version = reference.load_code_map(clickhouse)
    assert (version, entries["canonical_code"].to_pylist()) == (3, ["I"]), "an older map comes in force no more"
    reference.apply(clickhouse, [applied("source-rule", document(*BUILT_IN, published_at=TAKEN + hour))])
    assert latest(clickhouse).version == 4


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_number_is_kept_by_the_message_that_a_killed_loader_gave_it(clickhouse: Any, cut: int) -> None:
    batch = [
        applied("code-map", code_map("local", 1, ("9", "Y"))),
        applied("source-rule", document(*BUILT_IN)),
    ]

    with pytest.raises(ConnectionResetError):
        reference.apply(Cut(clickhouse, cut), batch)  # type: ignore[arg-type]
    assert reference.apply(clickhouse, batch) == (2, 0)
    numbers = "SELECT (SELECT groupUniqArray(version) FROM code_map), (SELECT max(version) FROM source_rule)"
    assert clickhouse.query(numbers).result_rows == [([1], 2)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rules", "no JSON"),
        ("[]", 'an object with the list "rules"'),
        ('{"rules": [{"name": "a", "precedence": 1, "sources": "x"}]}', "rule 1: sources is no field"),
        ('{"rules": [{"name": "a", "precedence": "1"}]}', "precedence is a whole number"),
        ('{"rules": [{"name": "a", "precedence": 1, "from": "5/1/2026"}]}', "written 2026-01-05"),
        ('{"rules": [{"name": "a", "precedence": 1, "from": "soon", "dates_mean": "knowledge"}]}', "is an instant"),
        ('{"rules": [{"name": "a", "precedence": 1}]}', "would let N"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_rule(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "rules.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=complaint):
        source_rules_file.read(file)


def test_an_instant_of_a_file_is_london_unless_it_says_otherwise_rule_8(tmp_path: Path) -> None:
    rule = {"name": "new_mis", "precedence": 40, "code_class": "definite", "dates_mean": "knowledge"}
    written = source_rules_file.written(BUILT_IN)
    file = tmp_path / "rules.json"
    begins = {"2025-10-27T01:30": INSTANT, "2025-07-01": datetime(2025, 6, 30, 23, tzinfo=UTC)}
    for text, instant in begins.items():
        file.write_text(json.dumps({"rules": [*written, {**rule, "from": text}]}), encoding="utf-8")
        assert source_rules_file.read(file)[-1].begins_at == instant
