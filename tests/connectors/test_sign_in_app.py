"""Sign In App's webhooks: proved by their signature, and nothing of them but ids and times reaches Kafka."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from connectors.encoding import Encoder
from connectors.ingest import hooks
from connectors.ingest.app import create
from connectors.ingest.hooks import HookRing, add, revoke
from connectors.ingest.keys import KeyRing
from connectors.ingest.kiosk import TOPIC
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from rollcall.errors import ConfigError, UsageError
from tests.connectors.conftest import ReadTopic, read, wait_until

#: Posts a webhook's body, signed or not, and gives the answer.
Call = Callable[..., httpx.Response]
NAME, PHOTO, FREE_TEXT = "Quoted Nowhere", "https://photos.example/9.jpg", "late because of a long story"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ingest-webhooks.json"


@pytest.fixture
def call(publisher: Publisher, encoder: Encoder, key_ring: tuple[KeyRing, str], upn_key: UpnKey, file: Path) -> Call:
    """An API that looks at the file of webhooks now: a running one follows within a second."""

    def call(body: Any, hook: str, secret: str, header: str = "X-Signature", signature: str | None = None) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        app = create(publisher, encoder, key_ring[0], upn_key, max_body_bytes=20_000, hooks=HookRing(file))
        made = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest() if signature is None else signature

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ingest") as client:
                path = f"/v1/webhooks/sign-in-app?webhook={hook}"
                return await client.post(path, content=content, headers={header: made})

        return asyncio.run(send())

    return call


def webhook(event: str = "visitor.signin", **changed: Any) -> dict[str, Any]:
    """As the vendor sends it, names and photographs included."""
    now = datetime.now(UTC)
    return {
        "event": event,
        "event_at": (now - timedelta(seconds=2)).isoformat(timespec="seconds"),
        "pushed_at": now.isoformat(timespec="seconds"),
        "idempotency_key": uuid4().hex,
        "site": {"id": 41, "type": "standard", "name": "Main gate", "timezone": "Europe/London"},
        "visitor": {
            "id": 90031,
            "returning_visitor_id": 5512,
            "name": NAME,
            "photo_url": PHOTO,
            "badge_url": "https://badges.example/9.pdf",
            "additional": {"reason": FREE_TEXT},
            "personal_fields": {"email": "nobody@example.org"},
        },
        **changed,
    }


def test_a_signed_webhook_is_a_kiosk_fact_and_names_are_dropped(
    call: Call, file: Path, kafka: str, read_topic: ReadTopic, urn: int, caplog: pytest.LogCaptureFixture
) -> None:
    hook, secret = add(file, "front-desk", urn=urn, sites={})
    assert secret is not None
    sent = webhook()
    with caplog.at_level(logging.DEBUG):
        answer = call(sent, hook.id, secret)
    assert (answer.status_code, answer.json()) == (202, {"taken": 1, "topic": TOPIC})
    (record,) = read_topic(TOPIC, urn)
    assert (record["source"], record["direction"], record["site"]) == ("front-desk", "in", "41")
    assert (record["scheme"], record["person_ref"]) == ("kiosk:front-desk", "person:5512")
    assert record["idempotency_key"] == sent["idempotency_key"]
    assert record["event_at"].isoformat() == sent["event_at"]
    assert record["pushed_at"].isoformat() == sent["pushed_at"]
    (value,) = read(kafka, TOPIC, str(urn))
    for private in (NAME, PHOTO, FREE_TEXT, "nobody@", "badges", "Main gate"):
        assert private.encode() not in value
        assert private not in caplog.text
        assert private not in answer.text


def test_a_sign_out_is_a_fact_too(call: Call, file: Path, read_topic: ReadTopic, urn: int) -> None:
    hook, secret = add(file, "front-desk", urn=None, sites={"41": urn})
    visitor = {"id": 7, "returning_visitor_id": None, "additional": []}
    assert call(webhook("visitor.signout", visitor=visitor), hook.id, secret).status_code == 202
    (record,) = read_topic(TOPIC, urn)
    assert (record["direction"], record["person_ref"]) == ("out", "visit:7")


@pytest.mark.parametrize(
    ("scheme", "held", "expected"),
    [
        ("upn", " a801200001001 ", "keyed"),
        ("mis", "10443", ("mis", "10443")),
        ("mis", 10443, ("mis", "10443")),
        ("mis", "A Person", ("kiosk:front-desk", "person:5512")),
        ("mis", "", ("kiosk:front-desk", "person:5512")),
        ("upn", None, ("kiosk:front-desk", "person:5512")),
    ],
)
def test_the_configured_field_names_the_pupil_and_any_other_person_is_the_kiosks_own(
    call: Call, file: Path, read_topic: ReadTopic, upn_key: UpnKey, urn: int, scheme: str, held: Any, expected: Any
) -> None:
    hook, secret = add(file, "front-desk", urn=urn, sites={}, pupil_field="pupil", pupil_scheme=scheme)
    sent = webhook()
    sent["visitor"]["additional"] = {"pupil": held, "reason": FREE_TEXT}
    assert call(sent, hook.id, secret).status_code == 202
    (record,) = read_topic(TOPIC, urn)
    wanted = tuple(upn_key.reference("A801200001001")) if expected == "keyed" else expected
    assert (record["scheme"], record["person_ref"]) == wanted


def test_what_is_not_signed_with_the_secret_is_nobodys(call: Call, file: Path, read_topic: ReadTopic, urn: int) -> None:
    hook, secret = add(file, "front-desk", urn=urn, sites={})
    body = json.dumps(webhook()).encode()
    right = hmac.new(str(secret).encode(), body, hashlib.sha256).hexdigest()
    refused = [
        call(body, hook.id, "another secret"),
        call(body + b" ", hook.id, "", signature=right),
        call(body, hook.id, "", signature=""),
        call(body, hook.id, "", signature=hashlib.sha256(body).hexdigest()),
        call(body, "no-such-hook", str(secret)),
        call(body, "no-such-hook", "nobody"),
        call(body, hook.id, str(secret), header="X-Other"),
    ]
    assert {one.status_code for one in refused} == {401}
    assert {one.json()["type"] for one in refused} == {"urn:rollcall:problem:no-valid-signature"}
    assert read_topic(TOPIC, urn) == []
    assert call(body, hook.id, "", signature=f"sha256={right.upper()}").status_code == 202


def test_a_webhook_is_taken_from_when_it_is_noted_until_it_is_revoked_without_a_restart(file: Path, urn: int) -> None:
    ring, body = HookRing(file), b"{}"
    hook, secret = add(file, "front-desk", urn=urn, sites={})
    signatures = {"X-Signature": hmac.new(str(secret).encode(), body, hashlib.sha256).hexdigest()}
    wait_until(lambda: ring.signed(hook.id, body, signatures) == hook)
    revoke(file, hook.id)
    wait_until(lambda: ring.signed(hook.id, body, signatures) is None)


def test_a_webhook_that_is_pushed_again_is_the_same_fact_and_an_old_one_is_refused(
    call: Call, file: Path, read_topic: ReadTopic, urn: int
) -> None:
    hook, secret = add(file, "front-desk", urn=urn, sites={})
    sent = webhook()
    assert [call(sent, hook.id, secret).status_code for _ in range(2)] == [202, 202]
    first, again = read_topic(TOPIC, urn)
    assert first == again
    old = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    answer = call(webhook(pushed_at=old), hook.id, secret)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:rollcall:problem:stale-webhook")
    assert answer.json()["errors"][0]["pointer"] == "/pushed_at"
    assert len(read_topic(TOPIC, urn)) == 2


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"event": "visitor.autosignout"}, "/event"),
        ({"event_at": None}, "/event_at"),
        ({"idempotency_key": ""}, "/idempotency_key"),
        ({"site": {}}, "/site/id"),
        ({"visitor": {"name": NAME}}, "/visitor/id"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_quoted(
    call: Call, file: Path, urn: int, changed: dict[str, Any], pointer: str
) -> None:
    hook, secret = add(file, "front-desk", urn=urn, sites={})
    answer = call(webhook(**changed), hook.id, secret)
    assert answer.status_code == 422
    assert pointer in [one["pointer"].removesuffix("/int") for one in answer.json()["errors"]]
    assert NAME not in answer.text


def test_a_site_of_another_school_is_refused(call: Call, file: Path, urn: int) -> None:
    hook, secret = add(file, "front-desk", urn=None, sites={"42": urn})
    answer = call(webhook(), hook.id, secret)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (403, "/site/id")


def test_the_secret_stands_alone_in_a_file_of_its_owner_and_may_be_exchanged(call: Call, file: Path, urn: int) -> None:
    hook, secret = add(file, "front-desk", urn=urn, sites={})
    assert secret is not None
    place = file.parent / hook.secret.removeprefix("file:")
    assert secret not in file.read_text()
    assert place.read_text() == secret
    assert [path.stat().st_mode & 0o077 for path in (file, place)] == [0, 0]
    place.write_text(f"{secret}\nthe next secret\n")
    assert [call(webhook(), hook.id, one).status_code for one in (secret, "the next secret")] == [202, 202]
    place.write_text("the next secret\n")
    assert call(webhook(), hook.id, secret).status_code == 401
    place.unlink()
    answer = call(webhook(), hook.id, "the next secret")
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


def test_a_webhook_that_makes_no_sense_is_refused_with_words(
    file: Path, urn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="lower-case"):
        add(file, "Front Desk", urn=urn, sites={})
    with pytest.raises(UsageError, match="--urn"):
        add(file, "front-desk", urn=None, sites={})
    with pytest.raises(UsageError, match="upn or by an id of the mis"):
        add(file, "front-desk", urn=urn, sites={}, pupil_scheme="name")
    with pytest.raises(ConfigError, match="NO_SUCH_SECRET"):
        add(file, "front-desk", urn=urn, sites={}, named="env:NO_SUCH_SECRET")
    loose = file.parent / "loose"
    loose.write_text("s3cret")
    loose.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        add(file, "front-desk", urn=urn, sites={}, named="file:loose")
    monkeypatch.setenv("SIGN_IN_APP_SECRET", "s3cret")
    hook, made = add(file, "front-desk", urn=urn, sites={"41": urn}, named="env:SIGN_IN_APP_SECRET")
    assert (hooks.read(file), made) == ([hook], None)
