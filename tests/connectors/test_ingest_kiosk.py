"""Kiosk events and events of other platforms through the ingest API: what is answered, what is on Kafka."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from connectors.encoding import Encoder
from connectors.ingest.app import create
from connectors.ingest.keys import KeyRing, add
from connectors.ingest.kiosk import TOPIC
from connectors.ingest.page import EXAMPLES, KIOSK_EXAMPLES
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from tests.connectors.conftest import ReadTopic, decoded, wait_until
from tests.connectors.conftest import read as read_kafka
from tests.connectors.test_ingest import Post, poster

PATH = "/v1/kiosk-events"


@pytest.fixture
def post(publisher: Publisher, encoder: Encoder, key_ring: tuple[KeyRing, str], upn_key: UpnKey) -> Post:
    keys, token = key_ring
    return poster(create(publisher, encoder, keys, upn_key, max_body_bytes=1_048_576), token)


def event(urn: int, **changed: Any) -> dict[str, Any]:
    given = {
        "idempotency_key": uuid4().hex,
        "urn": urn,
        "mis_id": "10443",
        "direction": "in",
        "event_at": "2025-09-10T09:20:11+01:00",
        **changed,
    }
    return {name: value for name, value in given.items() if value is not None}


def test_events_are_on_kafka_when_they_are_answered(post: Post, read_topic: ReadTopic, urn: int) -> None:
    sent = [
        event(urn, pushed_at="2025-09-10T09:20:13+01:00", site="41", device="d1", reason_code="BUS"),
        event(urn, direction="out", event_at="2025-09-10T15:02:00+01:00"),
    ]
    answer = post({"events": sent}, path=PATH)
    assert (answer.status_code, answer.json()) == (202, {"taken": 2, "topic": TOPIC})
    came, went = read_topic(TOPIC, urn)
    assert came["idempotency_key"] == sent[0]["idempotency_key"]
    assert (came["scheme"], came["person_ref"], came["direction"]) == ("mis", "10443", "in")
    assert (came["site"], came["device"], came["reason_code"], came["source"]) == ("41", "d1", "BUS", "classroom")
    assert came["event_at"].isoformat() == "2025-09-10T08:20:11+00:00"
    assert came["pushed_at"].isoformat() == "2025-09-10T08:20:13+00:00"
    assert (went["direction"], went["pushed_at"]) == ("out", None)


def test_a_repeat_has_the_id_of_the_first_and_another_source_has_another(
    publisher: Publisher, encoder: Encoder, upn_key: UpnKey, tmp_path: Path, read_topic: ReadTopic, urn: int
) -> None:
    sent = event(urn)
    for source in ("front-desk", "front-desk", "back-door"):
        _, token = add(tmp_path / "keys.json", source, None)
        app = create(publisher, encoder, KeyRing(tmp_path / "keys.json"), upn_key, max_body_bytes=9999)
        assert poster(app, token)({"events": [sent]}, path=PATH).status_code == 202
    first, again, other = (one["event_id"] for one in read_topic(TOPIC, urn))
    assert first == again != other


def test_a_person_is_named_in_the_schemes_there_are(
    post: Post, read_topic: ReadTopic, upn_key: UpnKey, urn: int
) -> None:
    """Rule 27: a UPN leaves only as a keyed hash. A visitor whom no roster will ever know is a fact like any other."""
    upn = "A801200001001"
    sent = [event(urn, mis_id=None, upn=upn), event(urn), event(urn, mis_id=None, person_ref="visitor-88")]
    assert post({"events": sent}, path=PATH).status_code == 202
    by_upn, by_mis, own = read_topic(TOPIC, urn)
    assert (by_upn["scheme"], by_upn["person_ref"]) == upn_key.reference(upn)
    assert by_mis["scheme"] == "mis"
    assert (own["scheme"], own["person_ref"]) == ("kiosk:classroom", "visitor-88")
    assert upn not in json.dumps([by_upn, by_mis, own], default=str)


@pytest.mark.parametrize(
    ("said", "instant"),
    [("2025-07-01T09:20:00", "2025-07-01T08:20:00+00:00"), ("2025-12-01T09:20:00", "2025-12-01T09:20:00+00:00")],
)
def test_a_time_without_an_offset_is_london_time_rule_8(
    post: Post, read_topic: ReadTopic, urn: int, said: str, instant: str
) -> None:
    assert post({"events": [event(urn, event_at=said)]}, path=PATH).status_code == 202
    assert read_topic(TOPIC, urn)[0]["event_at"].isoformat() == instant


def test_the_hour_that_comes_twice_is_said(post: Post, urn: int) -> None:
    answer = post({"events": [event(urn), event(urn, event_at="2025-10-26T01:30:00")]}, path=PATH)
    assert [one["pointer"] for one in answer.json()["warnings"]] == ["/events/1/event_at"]


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"idempotency_key": None}, "/events/1/idempotency_key"),
        ({"idempotency_key": "two words"}, "/events/1/idempotency_key"),
        ({"urn": "123456"}, "/events/1/urn"),
        ({"mis_id": None}, "/events/1"),
        ({"upn": "A801200001001"}, "/events/1"),
        ({"mis_id": "A Person"}, "/events/1/mis_id"),
        ({"direction": "through"}, "/events/1/direction"),
        ({"event_at": "yesterday"}, "/events/1/event_at"),
        ({"event_at": 1757487303}, "/events/1/event_at"),
        ({"name": "A Person"}, "/events/1/name"),
        ({"reason_code": "missed the bus"}, "/events/1/reason_code"),
    ],
)
def test_one_wrong_event_is_named_and_nothing_is_taken_in(
    post: Post, read_topic: ReadTopic, urn: int, changed: dict[str, Any], pointer: str
) -> None:
    answer = post({"events": [event(urn), {**event(urn), **changed}]}, path=PATH)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:rollcall:problem:invalid-kiosk-events"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert "A Person" not in answer.text
    assert read_topic(TOPIC, urn) == []


@pytest.mark.parametrize("body", [{"events": []}, {}, {"events": [event(1)] * 1_001}])
def test_no_events_or_too_many_are_refused(post: Post, body: dict[str, Any]) -> None:
    answer = post(body, path=PATH)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/events")


def test_a_key_speaks_for_its_schools_only_and_the_event_is_named(
    publisher: Publisher, encoder: Encoder, upn_key: UpnKey, tmp_path: Path, read_topic: ReadTopic, urn: int
) -> None:
    _, token = add(tmp_path / "keys.json", "front-desk", [urn])
    post = poster(create(publisher, encoder, KeyRing(tmp_path / "keys.json"), upn_key, max_body_bytes=9999), token)
    answer = post({"events": [event(urn), event(urn + 500_000)]}, path=PATH)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (403, "/events/1/urn")
    assert read_topic(TOPIC, urn) == []
    assert post({"events": [event(urn)]}, path=PATH, key="no").status_code == 401


def test_kafka_away_is_said_and_the_repeat_gets_in(
    mortal_stack: Any, key_ring: tuple[KeyRing, str], upn_key: UpnKey, urn: int
) -> None:
    urls = mortal_stack.up()
    keys, token = key_ring
    sent = {"events": [event(urn), event(urn, direction="out")]}
    with Publisher({"bootstrap.servers": urls.kafka}, delivery_seconds=3) as publisher:
        post = poster(create(publisher, Encoder(urls.registry), keys, upn_key, max_body_bytes=9999), token)
        assert post({"events": [event(urn)]}, path=PATH).status_code == 202
        mortal_stack.kill("kafka")
        answer = post(sent, path=PATH)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:rollcall:problem:try-again")
        assert int(answer.headers["retry-after"]) > 0
        mortal_stack.up()
        wait_until(lambda: post(sent, path=PATH).status_code == 202)
    found = {decoded(TOPIC, value)["idempotency_key"] for value in read_kafka(urls.kafka, TOPIC, str(urn))}
    assert {one["idempotency_key"] for one in sent["events"]} <= found


def test_other_platforms_send_registers_under_their_own_source(
    publisher: Publisher, encoder: Encoder, upn_key: UpnKey, tmp_path: Path, read_topic: ReadTopic, urn: int
) -> None:
    """The same contract and the same topic: an AP provider's register is a register, its source its own."""
    _, token = add(tmp_path / "keys.json", "ap-provider", [urn])
    post = poster(create(publisher, encoder, KeyRing(tmp_path / "keys.json"), upn_key, max_body_bytes=9999), token)
    sent = {**EXAMPLES["register"]["value"], "urn": urn}
    assert post(sent, path="/v1/events").status_code == 202
    (record,) = read_topic("attendance.register.v1", urn)
    assert (record["source"], len(record["marks"])) == ("ap-provider", 3)
    wrong = post({**sent, "session": "am"}, path="/v1/events")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/session")


def test_the_examples_are_accepted_and_every_field_is_on_the_page(post: Post, urn: int) -> None:
    for example in KIOSK_EXAMPLES.values():
        assert post(example["value"], path=PATH).status_code == 202
    document = post(b"", path="/openapi.json", method="GET").json()
    assert {"/v1/registers", "/v1/events", PATH, "/v1/webhooks/sign-in-app"} <= document["paths"].keys()
    page = post(b"", path="/docs", method="GET").text
    for field in document["components"]["schemas"]["KioskEventIn"]["properties"]:
        assert f"<code>{field}</code>" in page
