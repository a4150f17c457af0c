"""The registry's client: an id that does not exist is poison, a registry that is away is not."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import schemas
from schemas.registry import Registry, RegistryAway, SchemaRefused, UnknownSchemaId

RECORD = {"type": "record", "name": "A", "fields": [{"name": "a", "type": "string"}]}


def answering(status: int, content: str) -> Registry:
    """A client whose registry gives one answer to everything: only faults that a real one cannot be made to have."""
    return Registry(
        "http://registry", transport=httpx.MockTransport(lambda _request: httpx.Response(status, text=content))
    )


@pytest.fixture
def registry(stack: Any) -> Iterator[Registry]:
    with Registry(stack.registry) as client:
        yield client


def test_all_committed_schemas_are_registered_under_their_subjects(
    registry: Registry, registered: dict[str, int]
) -> None:
    assert set(registered) == set(schemas.subjects())
    assert registry.ids() == registered
    for topic, schema_id in registered.items():
        assert registry.get(schema_id)["name"] == schemas.load(topic)["name"]


def test_registering_again_gives_the_same_ids(registry: Registry, registered: dict[str, int]) -> None:
    again = registry.register_all()
    assert {one.topic: one.schema_id for one in again} == registered
    assert not any(one.new for one in again)


def test_an_id_the_registry_does_not_hold_is_unknown(registry: Registry) -> None:
    with pytest.raises(UnknownSchemaId, match="999999"):
        registry.get(999_999)


def test_a_known_id_is_asked_for_once(registered: dict[str, int]) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"schema": json.dumps(RECORD)})

    registry = Registry("http://registry", transport=httpx.MockTransport(answer))
    assert registry.get(4) == registry.get(4) == RECORD
    assert asked == ["/schemas/ids/4"]


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (404, "<html>nothing here</html>"),  # a proxy's page, not the registry's word
        (404, '{"error_code": 404, "message": "HTTP 404 Not Found"}'),
        (401, '{"error_code": 40101, "message": "no"}'),
        (429, ""),
        (500, '{"error_code": 50001, "message": "store"}'),
        (503, ""),
        (200, "<html>login</html>"),
        (200, '{"schema": "{"}'),
        (200, "[]"),
    ],
)
def test_anything_but_the_registry_s_own_404_means_that_it_is_away(status: int, content: str) -> None:
    with pytest.raises(RegistryAway):
        answering(status, content).get(1)


def test_a_registry_that_does_not_answer_is_away_and_the_password_is_not_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: the connection is refused
        registry = Registry(f"http://reader:hidden@127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(RegistryAway) as error:
            registry.get(1)
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize(
    "extra", [{"schemaType": "JSON"}, {"references": [{"name": "b", "subject": "b", "version": 1}]}]
)
def test_a_schema_that_is_no_avro_record_of_its_own_is_unknown(extra: dict[str, Any]) -> None:
    with pytest.raises(UnknownSchemaId):
        answering(200, json.dumps({"schema": json.dumps(RECORD), **extra})).get(1)


def test_an_incompatible_schema_is_refused_by_check_and_by_register(registry: Registry) -> None:
    subject = f"test.{uuid.uuid4().hex}"
    assert registry.check(subject, RECORD) == []
    registry.register(subject, RECORD)
    longer = {**RECORD, "fields": [*RECORD["fields"], {"name": "b", "type": "int"}]}
    assert registry.check(subject, longer)
    with pytest.raises(SchemaRefused, match=subject):
        registry.register(subject, longer)
    assert registry.lookup(subject, longer) is None


def test_a_producer_is_told_to_register_first() -> None:
    nothing = '{"error_code": 40401, "message": "Subject not found."}'
    with pytest.raises(SchemaRefused, match="rollcall schemas register"):
        answering(404, nothing).ids()
