"""The embedded schema registry, through HTTP and through Confluent's own client."""

from __future__ import annotations

import errno
import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from rollcall.stack.registry.server import RegistryServer

Field = dict[str, Any]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "schemas.log"


@pytest.fixture
def registry(log: Path) -> Iterator[httpx.Client]:
    with serving(log) as client:
        yield client


class serving:  # noqa: N801  (reads as a with statement: `with serving(log) as client`)
    """A registry on a free port of this process, over one log file."""

    def __init__(self, log: Path) -> None:
        self._server = RegistryServer(0, log)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> httpx.Client:
        self._thread.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self._server.server_port}", trust_env=False)
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def record(*fields: Field, name: str = "Register") -> str:
    return json.dumps({"type": "record", "name": name, "namespace": "uk.rollcall", "fields": list(fields)})


URN: Field = {"name": "urn", "type": "int"}
CODE: Field = {"name": "code", "type": "string"}
NOTE: Field = {"name": "note", "type": ["null", "string"], "default": None}


def register(client: httpx.Client, subject: str, text: str, **more: Any) -> httpx.Response:
    return client.post(f"/subjects/{subject}/versions", json={"schema": text, **more})


def test_the_same_schema_has_one_id_whatever_its_spacing_and_subject(registry: httpx.Client) -> None:
    first = register(registry, "register-value", record(URN))
    assert first.json() == {"id": 1}
    spaced = json.dumps(json.loads(record(URN)), indent=4)
    assert register(registry, "register-value", spaced).json() == {"id": 1}
    assert register(registry, "other-value", record(URN)).json() == {"id": 1}
    assert register(registry, "register-value", record(URN, NOTE)).json() == {"id": 2}
    assert registry.get("/subjects").json() == ["other-value", "register-value"]
    assert registry.get("/subjects/register-value/versions").json() == [1, 2]
    assert registry.get("/subjects/register-value/versions/latest").json()["id"] == 2
    assert registry.get("/schemas/ids/1").json() == {"schema": record(URN)}
    uses = [{"subject": "other-value", "version": 1}, {"subject": "register-value", "version": 1}]
    assert registry.get("/schemas/ids/1/versions").json() == uses


#: name, first version's fields, second version's fields, the levels that allow the second.
CASES: list[tuple[str, list[Field], list[Field], set[str]]] = [
    ("field with default added", [URN], [URN, NOTE], {"BACKWARD", "FORWARD", "FULL"}),
    ("field without default added", [URN], [URN, CODE], {"FORWARD"}),
    ("field without default removed", [URN, CODE], [URN], {"BACKWARD"}),
    ("field with default removed", [URN, NOTE], [URN], {"BACKWARD", "FORWARD", "FULL"}),
    ("int widened to long", [URN], [{"name": "urn", "type": "long"}], {"BACKWARD"}),
    ("long narrowed to int", [{"name": "urn", "type": "long"}], [URN], {"FORWARD"}),
    ("string becomes int", [CODE], [{"name": "code", "type": "int"}], set()),
    ("made nullable", [CODE], [{"name": "code", "type": ["null", "string"]}], {"BACKWARD"}),
    ("renamed", [CODE], [{"name": "raw_code", "type": "string"}], set()),
    (
        "enum symbol added",
        [{"name": "s", "type": {"type": "enum", "name": "S", "symbols": ["AM"]}}],
        [{"name": "s", "type": {"type": "enum", "name": "S", "symbols": ["AM", "PM"]}}],
        {"BACKWARD"},
    ),
]


@pytest.mark.parametrize("level", ["BACKWARD", "FORWARD", "FULL", "NONE"])
@pytest.mark.parametrize(("name", "before", "after", "allowed"), CASES, ids=[case[0] for case in CASES])
def test_what_may_follow_what(
    registry: httpx.Client, level: str, name: str, before: list[Field], after: list[Field], allowed: set[str]
) -> None:
    assert registry.put("/config", json={"compatibility": level}).json() == {"compatibility": level}
    register(registry, "s", record(*before)).raise_for_status()
    fits = level == "NONE" or level in allowed
    asked = registry.post("/compatibility/subjects/s/versions/latest?verbose=true", json={"schema": record(*after)})
    assert asked.json()["is_compatible"] is fits
    assert bool(asked.json().get("messages")) is not fits
    answer = register(registry, "s", record(*after))
    assert answer.status_code == (200 if fits else 409)
    if not fits:
        assert answer.json()["error_code"] == 409
        assert "incompatible with an earlier schema" in answer.json()["message"]


def test_by_default_every_earlier_version_must_stay_readable(registry: httpx.Client) -> None:
    with_default = {"name": "room", "type": "string", "default": ""}
    register(registry, "s", record(URN)).raise_for_status()
    register(registry, "s", record(URN, with_default)).raise_for_status()
    without_default = record(URN, {"name": "room", "type": "string"})
    refused = register(registry, "s", without_default)
    assert refused.status_code == 409
    assert "version 1" in refused.json()["message"]
    registry.put("/config/s", json={"compatibility": "BACKWARD"})
    assert register(registry, "s", without_default).status_code == 200
    assert registry.delete("/config/s").json() == {"compatibilityLevel": "BACKWARD_TRANSITIVE"}
    assert registry.get("/config/s").status_code == 404
    assert registry.get("/config/s?defaultToGlobal=true").json() == {"compatibilityLevel": "BACKWARD_TRANSITIVE"}


@pytest.mark.parametrize(
    "field",
    [
        {"name": "f", "type": "int", "default": "0"},
        {"name": "f", "type": "int", "default": 2**31},
        {"name": "f", "type": "int", "default": True},
        {"name": "f", "type": "string", "default": None},
        {"name": "f", "type": "boolean", "default": 0},
        {"name": "f", "type": ["null", "string"], "default": 5},
        {"name": "f", "type": {"type": "enum", "name": "E", "symbols": ["AM"]}, "default": "PM"},
        {"name": "f", "type": {"type": "enum", "name": "E", "symbols": ["AM"], "default": "PM"}},
        {"name": "f", "type": {"type": "array", "items": "int"}, "default": ["x"]},
        {"name": "f", "type": {"type": "map", "values": "int"}, "default": {"a": "x"}},
        {"name": "f", "type": json.loads(record(URN, name="Inner")), "default": {}},
        {"name": "f", "type": json.loads(record({**URN, "default": "x"}, name="Inner"))},
    ],
    ids=lambda field: json.dumps(field)[:60],
)
def test_a_default_of_the_wrong_type_is_refused(registry: httpx.Client, field: Field) -> None:
    answer = register(registry, "s", record(field))
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)
    assert registry.get("/subjects").json() == []


@pytest.mark.parametrize(
    "field",
    [
        {"name": "f", "type": "double", "default": 1},
        {"name": "f", "type": ["null", "string"], "default": None},
        {"name": "f", "type": {"type": "array", "items": "int"}, "default": []},
        {"name": "f", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
        {"name": "f", "type": json.loads(record({**URN, "default": 1}, name="Inner")), "default": {}},
    ],
    ids=lambda field: json.dumps(field)[:60],
)
def test_a_default_of_the_right_type_is_accepted(registry: httpx.Client, field: Field) -> None:
    assert register(registry, "s", record(field)).status_code == 200


@pytest.mark.parametrize("text", ["", "{", '{"type": "record"}', '"no.such.Type"', record(URN, URN), "[1]", "7"])
def test_what_is_no_schema_is_refused(registry: httpx.Client, text: str) -> None:
    answer = register(registry, "s", text)
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42201)


@pytest.mark.parametrize(
    ("ask", "status", "code"),
    [
        (lambda client: client.get("/subjects/none/versions"), 404, 40401),
        (lambda client: client.get("/subjects/none/versions/latest"), 404, 40401),
        (lambda client: client.get("/schemas/ids/99"), 404, 40403),
        (lambda client: client.get("/schemas/ids/x"), 404, 40403),
        (lambda client: client.get("/subjects/known/versions/9"), 404, 40402),
        (lambda client: client.get("/subjects/known/versions/zero"), 422, 42202),
        (lambda client: client.put("/config", json={"compatibility": "SIDEWAYS"}), 422, 42203),
        (lambda client: client.post("/subjects/known", json={"schema": record(CODE)}), 404, 40403),
        (lambda client: client.post("/subjects/known/versions", content=b"{"), 400, 400),
        (lambda client: client.get("/associations/resources/-/topic"), 404, 404),
        (lambda client: register(client, "known", record(URN), schemaType="PROTOBUF"), 422, 42201),
    ],
)
def test_errors_have_the_codes_clients_know(
    registry: httpx.Client, ask: Callable[[httpx.Client], httpx.Response], status: int, code: int
) -> None:
    register(registry, "known", record(URN)).raise_for_status()
    answer = ask(registry)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


def test_deleted_versions_are_hidden_then_gone_and_their_numbers_are_not_used_again(registry: httpx.Client) -> None:
    register(registry, "s", record(URN)).raise_for_status()
    register(registry, "s", record(URN, NOTE)).raise_for_status()
    assert registry.delete("/subjects/s/versions/2?permanent=true").json()["error_code"] == 40407
    assert registry.delete("/subjects/s/versions/2").json() == 2
    assert registry.get("/subjects/s/versions").json() == [1]
    assert registry.get("/subjects/s/versions?deleted=true").json() == [1, 2]
    assert registry.delete("/subjects/s/versions/2?permanent=true").json() == 2
    assert registry.get("/subjects/s/versions?deleted=true").json() == [1]
    register(registry, "s", record(URN, NOTE)).raise_for_status()
    assert registry.get("/subjects/s/versions").json() == [1, 3]
    assert registry.get("/schemas/ids/2").status_code == 200, "ids on Kafka must stay readable"


def test_restart_keeps_everything_and_drops_a_torn_last_line(log: Path) -> None:
    with serving(log) as client:
        register(client, "s", record(URN)).raise_for_status()
        client.put("/config", json={"compatibility": "FULL_TRANSITIVE"})
    with log.open("ab") as handle:
        handle.write(b'{"event":"schema","id":2,"schema":"{\\"ty')
    with serving(log) as client:
        assert client.get("/subjects").json() == ["s"]
        assert client.get("/config").json() == {"compatibilityLevel": "FULL_TRANSITIVE"}
        assert register(client, "s", record(URN, NOTE)).json() == {"id": 2}
    with serving(log) as client:
        assert client.get("/subjects/s/versions").json() == [1, 2]
        assert client.get("/schemas/ids/2/schema").json() == json.loads(record(URN, NOTE))


def test_a_full_disk_refuses_the_schema_and_leaves_no_half_line(
    registry: httpx.Client, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(registry, "s", record(URN)).raise_for_status()
    kept = log.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        answer = register(registry, "s", record(URN, NOTE))
    assert (answer.status_code, answer.json()["error_code"]) == (500, 50001)
    assert "No space left on device" in answer.json()["message"]
    assert log.read_bytes() == kept
    assert register(registry, "s", record(URN, NOTE)).json() == {"id": 2}


def test_writers_at_once_get_one_id_for_one_schema(registry: httpx.Client) -> None:
    ids: list[int] = []

    def one() -> None:
        ids.extend(register(registry, f"s{n}", record(URN, name=f"R{n}")).json()["id"] for n in range(10))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids) == sorted(list(range(1, 11)) * 4)


@pytest.mark.stack
def test_confluents_client_registers_references_and_looks_up(stack: Any) -> None:
    client = SchemaRegistryClient({"url": stack.registry})
    name = uuid.uuid4().hex
    mark = Schema(record(URN, name=f"Mark{name}"), "AVRO")
    client.register_schema(f"{name}-mark", mark)
    reference = SchemaReference(f"uk.rollcall.Mark{name}", f"{name}-mark", 1)
    page = record({"name": "marks", "type": {"type": "array", "items": f"uk.rollcall.Mark{name}"}}, name=f"Page{name}")
    page_id = client.register_schema(f"{name}-page", Schema(page, "AVRO", [reference]))
    assert client.get_schema(page_id).schema_str == page
    assert client.lookup_schema(f"{name}-page", Schema(page, "AVRO", [reference])).version == 1
    with pytest.raises(SchemaRegistryError) as raised:
        client.delete_version(f"{name}-mark", 1)
    assert raised.value.error_code == 42206
