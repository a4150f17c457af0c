"""The steps of a request before Kafka: who sends, how much, what it says, for which school. Each may end it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
import structlog
from fastapi import Request, Response
from pydantic import BaseModel, ValidationError

from connectors.ingest.hooks import Hook, HookRing
from connectors.ingest.keys import Key, KeyRing
from connectors.ingest.problems import Problem, problems_of
from rollcall.errors import ConfigError

__all__ = [
    "accepted",
    "authenticate",
    "away",
    "parse",
    "read_body",
    "require_fresh",
    "require_schools",
    "require_site",
    "signed",
]

log = structlog.get_logger()

Said = TypeVar("Said", bound=BaseModel)
#: So many schools that a key does not speak for are named.
_NAMED_AT_MOST = 20
#: What a vendor is told to wait when the secret of its webhook cannot be read here.
_SECRET_RETRY_SECONDS = 60


def authenticate(request: Request, keys: KeyRing) -> Key:
    """The key that sends. 401 without a valid one."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    key = keys.holder(token.strip()) if kind.lower() == "bearer" else None
    if key is None:
        raise Problem(
            401,
            "no-valid-key",
            "No valid API key",
            "Send `Authorization: Bearer <key>`; a key is made by `rollcall ingest key add`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return key


def signed(request: Request, body: bytes, hooks: HookRing | None) -> Hook:
    """The webhook that `?webhook=` names, if its secret signed the body. 401 if not, 503 without the secret."""
    named = request.query_params.get("webhook", "")
    try:
        hook = None if hooks is None else hooks.signed(named, body, request.headers)
    except ConfigError as error:
        log.error("webhook_secret_unreadable", exc_info=error)
        raise away("The webhook's secret cannot be read here", _SECRET_RETRY_SECONDS) from None
    if hook is None:
        raise Problem(
            401,
            "no-valid-signature",
            "No valid signature",
            "Sign the body with HMAC-SHA256 and the webhook's secret, and name the webhook with `?webhook=<id>`; "
            "one is made by `rollcall ingest webhook add`.",
        )
    return hook


async def read_body(request: Request, max_body_bytes: int) -> bytes:
    """The body. 413 as soon as it is known to be larger than `max_body_bytes`."""
    too_large = Problem(
        413,
        "too-large",
        "The request is too large",
        f"At most {max_body_bytes:,} bytes are taken: send a register in parts, each with complete=false; events in "
        "several requests.",
        headers={"Connection": "close"},
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_body_bytes:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > max_body_bytes:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def parse(model: type[Said], body: bytes, what: str) -> Said:
    """What the body says. 400 when it is no JSON, 422 naming each field that is wrong. what: in the problem's type."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        errors = problems_of(error)
        if error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == "json_invalid":
            raise Problem(400, "not-json", "The body is not JSON", "Send one JSON object, UTF-8.") from None
        raise Problem(
            422,
            f"invalid-{what}",
            "The request cannot be read",
            f"{len(errors)} field(s) are wrong; nothing was taken in.",
            errors=errors,
        ) from None


def require_schools(key: Key, named: Sequence[tuple[str, int]]) -> None:
    """403 when the key does not speak for one of the schools, given as (JSON pointer, URN)."""
    wrong = [pointer for pointer, urn in named if not key.may_send_for(urn)]
    if wrong:
        raise Problem(
            403,
            "not-your-school",
            "This key does not speak for that school",
            "Ask for a key that names the URN.",
            errors=[{"pointer": one, "detail": "not a school of this key"} for one in wrong[:_NAMED_AT_MOST]],
        )


def require_site(hook: Hook, site: str) -> int:
    """The school of a site. 403 when the webhook is not for it."""
    urn = hook.school(site)
    if urn is None:
        raise Problem(
            403,
            "not-your-school",
            "This webhook is not for that site",
            "Name the site's school: `rollcall ingest webhook add --site ID=URN`.",
            errors=[{"pointer": "/site/id", "detail": "not a site of this webhook"}],
        )
    return urn


def require_fresh(age_seconds: float, at_most: int) -> None:
    """422 for a webhook that was pushed longer ago than `at_most`: somebody may have kept it and sends it again."""
    if age_seconds > at_most:
        raise Problem(
            422,
            "stale-webhook",
            "The webhook is too old",
            f"It was pushed over {at_most:,} seconds ago; bring old events in with POST /v1/kiosk-events.",
            errors=[{"pointer": "/pushed_at", "detail": "too long ago"}],
        )


def accepted(answer: dict[str, Any], warnings: Sequence[str] = ()) -> Response:
    """202, with a warning for each time (JSON pointer) that London's clocks showed twice."""
    if warnings:
        detail = "this hour came twice; the earlier was taken: send an offset"
        answer["warnings"] = [{"pointer": one, "detail": detail} for one in warnings]
    return Response(orjson.dumps(answer), 202, media_type="application/json")


def away(title: str, retry_seconds: int) -> Problem:
    """503: nothing is wrong with what was sent."""
    return Problem(
        503,
        "try-again",
        title,
        "Whether it was taken in is not known: send the same again, a repeat is harmless.",
        headers={"Retry-After": str(retry_seconds)},
    )
