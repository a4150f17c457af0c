"""The gate in front of every change of a schema: what passes, and what must not."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import schemas
from rollcall.cli.app import build
from schemas.compatibility import check_all, check_versions

SUBJECT = "attendance.register.v1"


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in schema["fields"] if one["name"] == name)


def marks(schema: dict[str, Any]) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = field(schema, "marks")["type"]["items"]["fields"]
    return fields


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """A copy of the committed schemas, to change."""
    root = tmp_path / "schemas"
    shutil.copytree(schemas.ROOT, root, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return root


def add_version(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    schema = schemas.load(SUBJECT)
    change(schema)
    (root / SUBJECT / "2.avsc").write_text(json.dumps(schema), encoding="utf-8")


def test_every_committed_version_reads_all_earlier_ones() -> None:
    assert check_all() == []


def test_every_topic_has_a_schema_and_every_schema_a_topic() -> None:
    from schemas.topics import TOPICS

    assert {topic.name for topic in TOPICS} == set(schemas.subjects())


def test_no_schema_collects_a_name_or_a_comment() -> None:
    """Rule 27. A school, a term and a local authority have names; people have none here."""

    def names(schema: Any) -> list[str]:
        if isinstance(schema, list):
            return [name for one in schema for name in names(one)]
        if isinstance(schema, dict):
            here = [one["name"] for one in schema.get("fields", [])]
            return here + [name for one in schema.values() if isinstance(one, dict | list) for name in names(one)]
        return []

    forbidden = {
        "forename",
        "surname",
        "first_name",
        "last_name",
        "comment",
        "comments",
        "notes",
        "date_of_birth",
        "upn",
    }
    for subject in schemas.subjects():
        assert not forbidden & set(names(schemas.load(subject))), subject


def test_a_new_field_with_a_default_passes(committed: Path) -> None:
    add_version(
        committed, lambda one: one["fields"].append({"name": "device", "type": ["null", "string"], "default": None})
    )
    assert check_all(committed) == []


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a field without a default", lambda one: one["fields"].append({"name": "device", "type": "string"})),
        ("a narrower type", lambda one: field(one, "submission_id").update(type="int")),
        ("an enum that lost a symbol", lambda one: field(one, "session")["type"].update(symbols=["AM"])),
        ("a field of an array's record", lambda one: marks(one).append({"name": "x", "type": "int"})),
        ("a renamed record", lambda one: one.update(name="Sheet")),
        ("a required field that was optional", lambda one: field(one, "taken_by").update(type="string", default="")),
    ],
)  # fmt: skip
def test_an_incompatible_change_is_refused(
    committed: Path, what: str, change: Callable[[dict[str, Any]], None]
) -> None:
    add_version(committed, change)
    problems = check_all(committed)
    assert [(one.subject, one.version, one.against) for one in problems][:1] == [(SUBJECT, 2, 1)], what
    assert all(one.message for one in problems)


def test_the_check_is_transitive_not_only_against_the_version_before() -> None:
    first = {"type": "record", "name": "A", "fields": [{"name": "old", "type": "string"}]}
    second = copy.deepcopy(first)
    second["fields"].append({"name": "new", "type": "int", "default": 0})
    third = copy.deepcopy(first)
    third["fields"].append({"name": "new", "type": "int"})
    problems = check_versions("a", [first, second, third])
    assert [(one.version, one.against) for one in problems] == [(3, 1)]


def test_a_default_of_the_wrong_type_is_refused(committed: Path) -> None:
    add_version(committed, lambda one: one["fields"].append({"name": "device", "type": "int", "default": "none"}))
    (problem,) = check_all(committed)
    assert "default" in problem.message.lower()


@pytest.mark.parametrize("named", [False, True])
def test_an_enum_inside_an_array_is_refused_because_the_decoder_cannot_read_it(committed: Path, named: bool) -> None:
    kind: Any = {"type": "enum", "name": "Kind", "symbols": ["A"]}
    if named:
        kind = "uk.rollcall.attendance.Session" if "." in schemas.load(SUBJECT).get("namespace", "") else "Session"
    items = {"name": "kind", "type": ["null", kind], "default": None}
    add_version(committed, lambda one: marks(one).append(items))
    problems = check_all(committed)
    assert any("enum inside an array" in one.message and "marks.kind" in one.message for one in problems), problems


def test_a_gap_in_the_versions_is_refused(committed: Path) -> None:
    shutil.copy(committed / SUBJECT / "1.avsc", committed / SUBJECT / "3.avsc")
    (problem,) = check_all(committed)
    assert "without gaps" in problem.message


def test_a_file_that_is_no_json_is_refused(committed: Path) -> None:
    (committed / SUBJECT / "2.avsc").write_text("{", encoding="utf-8")
    (problem,) = check_all(committed)
    assert (problem.version, "JSON" in problem.message) == (2, True)


def test_the_command_says_so_and_exits_with_1(committed: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(build(), ["schemas", "check"]).exit_code == 0
    add_version(committed, lambda one: one["fields"].append({"name": "device", "type": "string"}))
    refused = runner.invoke(build(), ["schemas", "check", "--root", str(committed)])
    assert refused.exit_code == 1
    assert f"{SUBJECT} version 2 cannot read what version 1 wrote" in refused.output
    as_json = runner.invoke(build(), ["schemas", "check", "--root", str(committed), "--json"])
    assert json.loads(as_json.output)["problems"][0]["against"] == 1


def test_an_unknown_subject_or_version_is_named() -> None:
    with pytest.raises(KeyError, match="no schema of ours"):
        schemas.load("attendance.register.v9")
    with pytest.raises(KeyError, match="no version 99"):
        schemas.load(SUBJECT, 99)


def test_a_loaded_schema_is_the_caller_s_own() -> None:
    schemas.load(SUBJECT)["fields"].clear()
    assert schemas.load(SUBJECT)["fields"]
