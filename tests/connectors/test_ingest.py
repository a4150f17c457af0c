"""The ingest API through its own interface: what a sender posts, what is answered, what is on Kafka."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client import REGISTRY

from connectors.encoding import Encoder
from connectors.ingest.app import create
from connectors.ingest.keys import KeyRing, add
from connectors.ingest.page import EXAMPLES
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from tests.connectors.conftest import ReadTopic, wait_until

TOPIC = "attendance.register.v1"

#: Sends one request to the API and gives the answer.
Post = Callable[..., httpx.Response]


@pytest.fixture
def post(publisher: Publisher, encoder: Encoder, key_ring: tuple[KeyRing, str], upn_key: UpnKey) -> Post:
    keys, token = key_ring
    return poster(create(publisher, encoder, keys, upn_key, max_body_bytes=1_048_576), token)


def poster(app: Any, token: str) -> Post:
    def post(body: Any, *, path: str = "/v1/registers", method: str = "POST", key: str = token) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                return await client.request(method, path, content=content, headers={"Authorization": f"Bearer {key}"})

        return asyncio.run(send())

    return post


def register(urn: int, **changed: Any) -> dict[str, Any]:
    return {**EXAMPLES["register"]["value"], "submission_id": str(uuid4()), "urn": urn, **changed}


def test_a_register_is_on_kafka_when_it_is_answered(post: Post, read_topic: ReadTopic, urn: int) -> None:
    sent = register(urn)
    answer = post(sent)
    assert answer.status_code == 202
    assert answer.json().keys() == {"submission_id", "topic", "partition", "offset"}
    (record,) = read_topic(TOPIC, urn)
    assert record["submission_id"] == answer.json()["submission_id"] == sent["submission_id"]
    assert record["source"] == "classroom"
    assert str(record["session_date"]) == "2025-09-10"
    assert record["submitted_at"].isoformat() == "2025-09-10T07:55:03+00:00"
    assert [(mark["pupil_scheme"], mark["pupil_ref"], mark["code"]) for mark in record["marks"]] == [
        ("mis", "10443", "/"),
        ("mis", "10444", "L"),
        ("mis", "10445", "N"),
    ]
    assert record["marks"][1]["minutes_late"] == 12


def test_an_amendment_keeps_the_items_of_rule_26(post: Post, read_topic: ReadTopic, urn: int) -> None:
    sent = {**EXAMPLES["amendment"]["value"], "urn": urn}
    assert post(sent).status_code == 202
    (record,) = read_topic(TOPIC, urn)
    (amendment,) = record["amendments"]
    assert amendment["item"] == 0
    assert amendment["original_code"] == "N"
    assert amendment["evidence"] == "parent_message"
    assert amendment["amended_at"].isoformat() == "2025-09-10T09:02:11+00:00"
    assert not record["complete"]


def test_a_upn_leaves_only_as_a_keyed_hash(post: Post, read_topic: ReadTopic, upn_key: UpnKey, urn: int) -> None:
    """Rule 27; rule 5: an invalid one too, under its own scheme."""
    valid, invalid = "A801200001001", "Z801200001001"
    if upn_key.reference(valid).scheme != "upn":
        valid = next(f"{letter}801200001001" for letter in "ABCDEFGHJKLMNPQRTUVWXYZ" if _is_valid(upn_key, letter))
    marks = [{"upn": valid, "code": "/"}, {"upn": valid.lower(), "code": "/"}, {"upn": invalid, "code": "N"}]
    assert post(register(urn, marks=marks)).status_code == 202
    (record,) = read_topic(TOPIC, urn)
    first, second, third = record["marks"]
    assert first["pupil_scheme"] == "upn"
    assert first["pupil_ref"] == second["pupil_ref"] == upn_key.reference(valid).ref
    assert third["pupil_scheme"] == "upn-invalid"
    assert "801200001001" not in json.dumps(record, default=str)


def _is_valid(upn_key: UpnKey, letter: str) -> bool:
    return upn_key.reference(f"{letter}801200001001").scheme == "upn"


@pytest.mark.parametrize(
    ("submitted_at", "instant"),
    [
        ("2025-09-10T09:15:00", "2025-09-10T08:15:00+00:00"),
        ("2025-11-03T09:15:00", "2025-11-03T09:15:00+00:00"),
        ("2025-11-03T09:15:00Z", "2025-11-03T09:15:00+00:00"),
        ("2025-11-03T10:15:00+01:00", "2025-11-03T09:15:00+00:00"),
    ],
)
def test_a_time_without_an_offset_is_london_time(
    post: Post, read_topic: ReadTopic, urn: int, submitted_at: str, instant: str
) -> None:
    """Rule 8: a register submitted at 09:15 is 08:15 UTC in summer time and 09:15 UTC in winter."""
    answer = post(register(urn, submitted_at=submitted_at))
    assert answer.status_code == 202
    assert "warnings" not in answer.json()
    assert read_topic(TOPIC, urn)[0]["submitted_at"].isoformat() == instant


def test_the_hour_that_comes_twice_is_the_earlier_and_said(post: Post, read_topic: ReadTopic, urn: int) -> None:
    answer = post(register(urn, submitted_at="2025-10-26T01:30:00"))
    assert [warning["pointer"] for warning in answer.json()["warnings"]] == ["/submitted_at"]
    assert read_topic(TOPIC, urn)[0]["submitted_at"].isoformat() == "2025-10-26T00:30:00+00:00"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"session_date": "0003-01-01"}, id="date far off"),
        pytest.param({"session_date": "6209-01-01"}, id="date far ahead"),
        pytest.param({"marks": []}, id="no marks"),
        pytest.param({"marks": [{"mis_id": "1", "code": "x" * 200}]}, id="a code of two hundred characters"),
        pytest.param({"marks": [{"mis_id": "1", "code": ""}]}, id="a blank code"),
        pytest.param({"marks": [{"mis_id": "1", "code": "/"}, {"mis_id": "1", "code": "N"}]}, id="contradicts itself"),
        pytest.param({"submitted_at": "2031-01-01T00:00:00Z"}, id="clock ahead"),
        pytest.param({"period": "P1"}, id="a lesson"),
        pytest.param({"marks": [{"mis_id": str(n), "code": "/"} for n in range(10_000)]}, id="ten thousand marks"),
    ],
)
def test_what_can_be_read_is_taken_in_for_the_worker_to_judge(
    post: Post, read_topic: ReadTopic, urn: int, changed: dict[str, Any]
) -> None:
    assert post(register(urn, **changed)).status_code == 202
    (record,) = read_topic(TOPIC, urn)
    assert len(record["marks"]) == len(changed.get("marks", register(urn)["marks"]))


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"submission_id": "1"}, "/submission_id"),
        ({"urn": "123456"}, "/urn"),
        ({"urn": True}, "/urn"),
        ({"urn": 0}, "/urn"),
        ({"group_id": ""}, "/group_id"),
        ({"session_date": "10/09/2025"}, "/session_date"),
        ({"session_date": "2025-02-30"}, "/session_date"),
        ({"session": "am"}, "/session"),
        ({"complete": "yes"}, "/complete"),
        ({"revision": 1.5}, "/revision"),
        ({"submitted_at": "yesterday"}, "/submitted_at"),
        ({"submitted_at": 1757487303}, "/submitted_at"),
        ({"taken_by": "A Person"}, "/taken_by"),
        ({"marks": {}}, "/marks"),
        ({"marks": [{"mis_id": "1"}]}, "/marks/0/code"),
        ({"marks": [{"code": "/"}]}, "/marks/0"),
        ({"marks": [{"upn": "A", "mis_id": "1", "code": "/"}]}, "/marks/0"),
        ({"marks": [{"mis_id": "1", "code": "/", "comment": "bus late"}]}, "/marks/0/comment"),
        ({"marks": [{"mis_id": "1", "code": "/", "minutes_late": -1}]}, "/marks/0/minutes_late"),
        ({"marks": [{"mis_id": "1", "code": "I", "amendment": {}}]}, "/marks/0/amendment/original_code"),
        ({"na/me~": "x"}, "/na~1me~0"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_its_field(
    post: Post, read_topic: ReadTopic, urn: int, changed: dict[str, Any], pointer: str
) -> None:
    answer = post(register(urn) | changed)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert read_topic(TOPIC, urn) == []


@pytest.mark.parametrize("field", sorted({"urn", "submission_id", "session", "submitted_at", "marks", "complete"}))
def test_a_missing_field_is_named(post: Post, urn: int, field: str) -> None:
    answer = post({name: value for name, value in register(urn).items() if name != field})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": f"/{field}", "detail": "this field is required"}]


def test_a_refusal_never_quotes_what_was_sent(post: Post, urn: int) -> None:
    secret = "Quoted-Nowhere"
    for body in (register(urn, taken_by=f"{secret} x"), {"urn": secret}, secret.encode()):
        assert secret not in post(body).text


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"urn": 1,}', b'{"urn": 1} x'])
def test_what_is_no_json_is_said_to_be_none(post: Post, body: bytes) -> None:
    answer = post(body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:rollcall:problem:not-json")


@pytest.mark.parametrize("key", ["", "nonsense", "rck_000000000000_" + "A" * 43])
def test_no_valid_key_no_entry(post: Post, urn: int, key: str) -> None:
    answer = post(register(urn), key=key)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["title"] == "No valid API key"


def test_a_key_speaks_for_its_schools_only(
    publisher: Publisher, encoder: Encoder, upn_key: UpnKey, tmp_path: Path, read_topic: ReadTopic, urn: int
) -> None:
    _, token = add(tmp_path / "keys.json", "classroom", [urn])
    post = poster(create(publisher, encoder, KeyRing(tmp_path / "keys.json"), upn_key, max_body_bytes=9999), token)
    assert post(register(urn)).status_code == 202
    answer = post(register(urn + 500_000))
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["pointer"] == "/urn"
    assert read_topic(TOPIC, urn + 500_000) == []


def test_a_body_over_the_limit_is_refused_declared_or_not(
    publisher: Publisher, encoder: Encoder, key_ring: tuple[KeyRing, str], upn_key: UpnKey, urn: int
) -> None:
    keys, token = key_ring
    app = create(publisher, encoder, keys, upn_key, max_body_bytes=2_000)
    large = register(urn, marks=[{"mis_id": str(n), "code": "/"} for n in range(100)])
    assert poster(app, token)(large).status_code == 413

    async def in_pieces() -> httpx.Response:
        async def pieces() -> Any:
            for _ in range(30):
                yield b" " * 100

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ingest") as client:
            headers = {"Authorization": f"Bearer {token}"}
            return await client.post("/v1/registers", content=pieces(), headers=headers)

    answer = asyncio.run(in_pieces())
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:rollcall:problem:too-large")


def test_kafka_away_is_said_within_a_bound_and_the_repeat_gets_in(
    mortal_stack: Any, key_ring: tuple[KeyRing, str], upn_key: UpnKey, urn: int
) -> None:
    """202 is only said of what Kafka has: while it is dead there is none, and what was told 202 is on the topic."""
    from tests.connectors.conftest import decoded
    from tests.connectors.conftest import read as read_kafka

    urls = mortal_stack.up()
    keys, token = key_ring
    with Publisher({"bootstrap.servers": urls.kafka}, delivery_seconds=3) as publisher:
        post = poster(create(publisher, Encoder(urls.registry), keys, upn_key, max_body_bytes=9999), token)
        first, second = register(urn), register(urn)
        assert post(first).status_code == 202
        mortal_stack.kill("kafka")
        answer = post(second)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["type"] == "urn:rollcall:problem:try-again"
        assert post(b"", path="/readyz", method="GET").status_code == 503
        assert post(b"", path="/healthz", method="GET").status_code == 200
        mortal_stack.up()
        wait_until(lambda: post(second).status_code == 202)
        assert post(b"", path="/readyz", method="GET").json() == {"ready": True, "in_the_way": {}}
    found = [decoded(TOPIC, value)["submission_id"] for value in read_kafka(urls.kafka, TOPIC, str(urn))]
    assert found[0] == first["submission_id"]
    assert set(found[1:]) == {second["submission_id"]}


def test_the_registry_away_is_said_and_asked_again(
    mortal_stack: Any, key_ring: tuple[KeyRing, str], upn_key: UpnKey, urn: int
) -> None:
    urls = mortal_stack.up()
    keys, token = key_ring
    with Publisher({"bootstrap.servers": urls.kafka}, delivery_seconds=10) as publisher:
        post = poster(create(publisher, Encoder(urls.registry), keys, upn_key, max_body_bytes=9999), token)
        mortal_stack.kill("registry")
        assert post(register(urn)).status_code == 503
        assert "registry" in post(b"", path="/readyz", method="GET").json()["in_the_way"]
        mortal_stack.up()
        assert post(register(urn)).status_code == 202


def test_the_page_and_openapi_tell_the_same_fields(post: Post) -> None:
    document = post(b"", path="/openapi.json", method="GET").json()
    operation = document["paths"]["/v1/registers"]["post"]
    assert operation["responses"].keys() == {"202", "400", "401", "403", "413", "422", "503"}
    body = operation["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/RegisterIn"}
    page = post(b"", path="/docs", method="GET").text
    for model in ("RegisterIn", "MarkIn", "Amendment"):
        for field in document["components"]["schemas"][model]["properties"]:
            assert f"<code>{field}</code>" in page
    assert "<script" not in page
    assert "src=" not in page


def test_the_examples_of_the_page_are_accepted(post: Post, urn: int) -> None:
    for example in EXAMPLES.values():
        assert post({**example["value"], "urn": urn}).status_code == 202


def test_unknown_paths_are_problems_too(post: Post) -> None:
    answer = post(b"", path="/v1/nowhere")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert post(b"", method="GET").status_code == 405


def test_requests_are_counted_by_status(post: Post, urn: int) -> None:
    def count(status: str) -> float:
        return REGISTRY.get_sample_value("rollcall_ingest_requests_total", {"status": status}) or 0.0

    before = count("202"), count("422"), count("401")
    post(register(urn))
    post(register(urn, session="XX"))
    post(register(urn), key="no")
    assert (count("202"), count("422"), count("401")) == tuple(one + 1 for one in before)
    assert "rollcall_ingest_requests_total" in post(b"", path="/metrics", method="GET").text
