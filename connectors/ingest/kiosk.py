"""What a kiosk may say: sign-ins and sign-outs as JSON, and the Kafka records they become.

Who the person is, is not judged here: a kiosk's visitors are pupils, parents and plumbers, and all of them are facts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from connectors.ingest.model import Reference
from connectors.ingest.times import shown_twice, since_1970_ms
from connectors.pupils import PupilReference, UpnKey

__all__ = ["TOPIC", "KioskEventIn", "KioskEventsIn", "ambiguous_times", "own_scheme", "record", "to_records"]

TOPIC = "attendance.kiosk.v1"
#: Events in one request: a kiosk that was offline for a morning sends its backlog in a few.
EVENTS_AT_MOST = 1_000
#: Ids of kiosk events are UUIDs made in this namespace, so that a repeat has the id of the first.
_EVENTS = UUID("0c0f3f5e-52c7-5b43-9df4-6d3f6f2f4b8a")

#: Printable, without spaces: a key, not a sentence.
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]


class KioskEventIn(BaseModel):
    """One person signed in or out. The person is named by exactly one of `upn`, `mis_id` and `person_ref`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    idempotency_key: IdempotencyKey = Field(
        description="Yours, one for each event. A repeat carries the same key and is harmless.", examples=["k-20931"]
    )
    urn: int = Field(ge=1, le=2**31 - 1, description="The school (GIAS).", examples=[123456])
    site: Reference | None = Field(None, description="Your id of the place, where you have several.")
    upn: Annotated[str, StringConstraints(min_length=1, max_length=20)] | None = Field(
        None, description="Unique Pupil Number. Leaves this API only as a keyed hash.", examples=["A823432112345"]
    )
    mis_id: Reference | None = Field(None, description="The person's id in the school's MIS.", examples=["10443"])
    person_ref: Reference | None = Field(None, description="Your own id of the person, pupil or not. Never a name.")
    direction: Literal["in", "out"]
    reason_code: Reference | None = Field(None, description="Why, as a code of yours.", examples=["DENTIST"])
    event_at: datetime = Field(
        description="When the person stood there, ISO 8601; without an offset it is London time.",
        examples=["2025-09-10T09:20:11+01:00"],
    )
    pushed_at: datetime | None = Field(None, description="When you sent it on, ISO 8601.")
    device: Reference | None = Field(None, description="Your id of the kiosk.")

    @model_validator(mode="after")
    def _one_reference(self) -> KioskEventIn:
        if (self.upn, self.mis_id, self.person_ref).count(None) != 2:
            raise ValueError("name the person by exactly one of upn, mis_id and person_ref")
        return self


class KioskEventsIn(BaseModel):
    """What a kiosk sends at a time: one event or a backlog."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    events: Annotated[list[KioskEventIn], Field(min_length=1, max_length=EVENTS_AT_MOST)]


def own_scheme(source: str) -> str:
    """The scheme of what a kiosk itself calls people; a roster may name pupils in it."""
    return f"kiosk:{source}"


def ambiguous_times(said: KioskEventsIn) -> list[str]:
    """JSON pointers of times without an offset that London's clocks showed twice; the earlier is taken (rule 8)."""
    return [
        f"/events/{number}/{field}"
        for number, event in enumerate(said.events)
        for field in ("event_at", "pushed_at")
        if (time := getattr(event, field)) is not None and shown_twice(time)
    ]


def to_records(said: KioskEventsIn, source: str, upn_key: UpnKey) -> list[dict[str, Any]]:
    """The records for `attendance.kiosk.v1`. UPNs become keyed hashes here and go no further."""
    return [
        record(
            source, event.idempotency_key, event.urn, _person(event, source, upn_key), event.direction,
            event_at=event.event_at, pushed_at=event.pushed_at, site=event.site, device=event.device,
            reason_code=event.reason_code,
        )
        for event in said.events
    ]  # fmt: skip


def record(
    source: str,
    idempotency_key: str,
    urn: int,
    person: PupilReference,
    direction: str,
    *,
    event_at: datetime,
    pushed_at: datetime | None = None,
    site: str | None = None,
    device: str | None = None,
    reason_code: str | None = None,
) -> dict[str, Any]:
    """One record for `attendance.kiosk.v1`; its event_id is a function of the source and its key."""
    return {
        "event_id": str(uuid5(_EVENTS, f"{source}\n{idempotency_key}")),
        "idempotency_key": idempotency_key,
        "urn": urn,
        "site": site,
        "person_ref": person.ref,
        "scheme": person.scheme,
        "direction": direction,
        "reason_code": reason_code,
        "event_at": since_1970_ms(event_at),
        "pushed_at": None if pushed_at is None else since_1970_ms(pushed_at),
        "device": device,
        "source": source,
    }


def _person(event: KioskEventIn, source: str, upn_key: UpnKey) -> PupilReference:
    if event.upn is not None:
        return upn_key.reference(event.upn)
    if event.mis_id is not None:
        return PupilReference("mis", event.mis_id)
    assert event.person_ref is not None
    return PupilReference(own_scheme(source), event.person_ref)
