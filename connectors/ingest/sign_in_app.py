"""Sign In App's webhooks: visitor.signin and visitor.signout, and the kiosk facts they become.

What they carry beside that (names, photographs, badges, fields a school made up) is dropped when the body is read and
reaches neither Kafka nor a log (rule 27). No webhook is ever sent for an automatic sign-out, so a sign-in without a
sign-out says nothing. Shape: the vendor's page on webhooks of its client API.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from connectors.ingest import kiosk
from connectors.ingest.hooks import Hook
from connectors.ingest.kiosk import IdempotencyKey
from connectors.ingest.model import Reference
from connectors.ingest.times import since_1970_ms
from connectors.pupils import PupilReference, UpnKey

__all__ = ["EXAMPLE", "WebhookIn", "age_seconds", "to_record"]

_REFERENCE = re.compile(r"[A-Za-z0-9._:/@+-]{1,64}")

EXAMPLE: dict[str, Any] = {
    "event": "visitor.signin",
    "event_at": "2025-09-10T09:20:11+01:00",
    "pushed_at": "2025-09-10T09:20:13+01:00",
    "idempotency_key": "2f7d1c",
    "site": {"id": 41, "type": "standard", "timezone": "Europe/London"},
    "visitor": {"id": 90031, "returning_visitor_id": 5512, "additional": {"upn": "A823432112345"}},
}


class _Read(BaseModel):
    """A vendor adds fields when it likes: what we do not name is not kept."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class SiteIn(_Read):
    """Where."""

    id: int | Reference = Field(description="The vendor's id of the site.")


class VisitorIn(_Read):
    """Who: ids only, and the extra fields, of which one may hold the pupil's reference."""

    id: int | Reference = Field(description="The vendor's id of this visit's visitor.")
    returning_visitor_id: int | Reference | None = Field(
        None, description="The vendor's id of the person, if it knows one."
    )
    additional: dict[str, Any] | list[Any] | None = Field(
        None, description="Extra fields of the school; only the configured one is looked at, all are dropped."
    )


class WebhookIn(_Read):
    """One webhook."""

    event: Literal["visitor.signin", "visitor.signout"]
    event_at: datetime = Field(description="When it happened, ISO 8601; without an offset it is London time.")
    pushed_at: datetime = Field(description="When the vendor pushed it, ISO 8601.")
    idempotency_key: IdempotencyKey = Field(description="One for each event; a repeat carries the same.")
    site: SiteIn
    visitor: VisitorIn


def age_seconds(webhook: WebhookIn, at: datetime) -> float:
    """How long ago it was pushed; negative when the vendor's clock is ahead of ours."""
    return (since_1970_ms(at.astimezone(UTC)) - since_1970_ms(webhook.pushed_at)) / 1000


def to_record(webhook: WebhookIn, hook: Hook, urn: int, upn_key: UpnKey) -> dict[str, Any]:
    """The record for `attendance.kiosk.v1`: ids, direction and times, and nothing else of what was sent."""
    return kiosk.record(
        hook.source,
        webhook.idempotency_key,
        urn,
        _person(webhook.visitor, hook, upn_key),
        "in" if webhook.event == "visitor.signin" else "out",
        event_at=webhook.event_at,
        pushed_at=webhook.pushed_at,
        site=str(webhook.site.id),
    )


def _person(visitor: VisitorIn, hook: Hook, upn_key: UpnKey) -> PupilReference:
    """The pupil's UPN or MIS id where the configured field holds one; else the vendor's own id of the person."""
    extra = visitor.additional if isinstance(visitor.additional, dict) else {}
    said = extra.get(hook.pupil_field) if hook.pupil_field else None
    if isinstance(said, int | str) and not isinstance(said, bool):
        text = str(said).strip()
        if hook.pupil_scheme == "upn" and 0 < len(text) <= 20:
            return upn_key.reference(text)
        if hook.pupil_scheme == "mis" and _REFERENCE.fullmatch(text):
            return PupilReference("mis", text)
    own = visitor.id if visitor.returning_visitor_id is None else visitor.returning_visitor_id
    kind = "visit" if visitor.returning_visitor_id is None else "person"
    return PupilReference(kiosk.own_scheme(hook.source), f"{kind}:{own}"[:64])
