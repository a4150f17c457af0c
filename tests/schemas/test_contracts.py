"""What the contracts promise beyond compatibility: nothing that tells who somebody is, and evidence like a register."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import schemas

#: Words of fields that would tell who somebody is, or let free text in (rule 27).
_TELLING = ("name", "photo", "badge", "email", "birth", "comment", "note", "address", "phone")


def _fields(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _fields(branch)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            yield field["name"]
            yield from _fields(field["type"])
        yield from _fields(schema.get("items"))


@pytest.mark.parametrize("topic", [topic for topic in schemas.subjects() if topic.startswith("attendance.")])
def test_no_field_of_an_attendance_message_can_name_a_person(topic: str) -> None:
    found = list(_fields(schemas.load(topic)))
    assert found
    assert [name for name in found if any(word in name for word in _TELLING)] == []


def test_evidence_is_a_register_without_amendments() -> None:
    register = [field["name"] for field in schemas.load("attendance.register.v1")["fields"]]
    evidence = [field["name"] for field in schemas.load("attendance.evidence.v1")["fields"]]
    assert evidence == [name for name in register if name != "amendments"]
