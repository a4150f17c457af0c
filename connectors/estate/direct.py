"""Straight onto the topics: loads without HTTP, and poison that no honest sender would send."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.encoding import Encoder
from connectors.estate.makes import MAKES
from connectors.estate.messages import PupilRefs
from connectors.publisher import Delivery, Publisher
from rollcall.domain.clock import to_the_millisecond
from schemas import wire

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import PulledRecord

__all__ = ["MIS", "REGISTER", "Poison", "PutMessage", "poison", "produce", "pull_pages", "put_poison"]

REGISTER, MIS = "attendance.register.v1", "attendance.mis.v1"
#: A URN of no school.
NO_SCHOOL = 999_999
#: A schema id that no registry gives.
NO_SCHEMA = 0x7FFF_FFF0


@dataclass(frozen=True, slots=True)
class Poison:
    """A message put there on purpose: where it landed and how the worker must refuse it (the message whole, or all its
    marks)."""

    kind: str
    topic: str
    partition: int
    offset: int
    reason: str
    whole: bool


class PutMessage(NamedTuple):
    """One message of `put_poison` before it is sent."""

    kind: str
    topic: str
    key: bytes | None
    value: bytes | None
    reason: str
    whole: bool


def produce(
    estate: Estate,
    tick: int,
    client: Mapping[str, Any],
    registry_url: str,
    refs: PupilRefs,
    page: int,
    progress: Callable[[int], None] | None,
) -> int:
    """Put the tick's submissions and a pull of every pulled school on the topics, and wait for the acknowledgements.

    Returns how many messages. Raises KafkaAway, KafkaError, RegistryAway.
    """
    from connectors.estate.estate import Acknowledged  # a cycle of types only

    encoder, count = Encoder(registry_url), 0
    with Publisher(client, linger_ms=20, waiting_messages=50_000, client_id="rollcall-estate-direct") as publisher:
        waiting = []
        for submission in estate.script.submissions[tick]:
            submission.stamp(datetime.now(UTC))
            value = encoder.encode(REGISTER, submission.record(refs))
            promise = publisher.publish(REGISTER, str(submission.urn).encode(), value)
            waiting.append((submission, promise))
            count += 1
            if progress is not None:
                progress(1)
        pages = [
            publisher.publish(MIS, str(urn).encode(), encoder.encode(MIS, record))
            for urn, record in pull_pages(estate, tick, page)
        ]
        publisher.flush(300)
        for submission, promise in waiting:
            put: Delivery = promise.result()
            estate.acknowledged.append(Acknowledged(submission, put.topic, put.partition, put.offset))
        for one in pages:
            one.result()
    return count + len(pages)


def pull_pages(estate: Estate, tick: int, size: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """What one incremental pull of each school would give after the tick, as records of attendance.mis.v1."""
    changed: dict[int, dict[str, None]] = {}
    for change in estate.script.changes[tick]:
        changed.setdefault(change.urn, {})[change.record_id] = None
    for urn, ids in changed.items():
        held = estate.records[urn]
        records = [held[record_id] for record_id in ids]
        taken_at = to_the_millisecond(datetime.now(UTC))
        alive = [record for record in records if record.deleted_at is None]
        gone = [record for record in records if record.deleted_at is not None]
        chunks = [alive[at : at + size] for at in range(0, len(alive), size)] or [[]]
        for number, chunk in enumerate(chunks):
            last = number == len(chunks) - 1
            yield urn, _page(estate, urn, f"{urn}-{tick}", taken_at, number, last, chunk, gone if last else [])


def _page(
    estate: Estate,
    urn: int,
    pull_id: str,
    taken_at: datetime,
    number: int,
    last: bool,
    records: list[PulledRecord],
    gone: list[PulledRecord],
) -> dict[str, Any]:
    school = estate.by_urn[urn]
    shows_modified = MAKES[school.make].shows_modified
    for record in records:
        record.served.append(record.code)
        if record.modified_at is not None:
            record.served_times.add(record.modified_at)
    for record in gone:
        record.served.append(None)
    return {
        "pull_id": pull_id,
        "snapshot": None,
        "urn": urn,
        "source": school.make,
        "complete": False,
        "window_from": None,
        "window_to": None,
        "page": number,
        "last_page": last,
        "taken_at": taken_at,
        "code_scheme": school.pulled_scheme,
        "marks": [
            {
                "record_id": record.record_id,
                "pupil_ref": record.pupil_ref,
                "pupil_scheme": school.make,
                "session_date": record.session_date,
                "session": record.session,
                "period": record.period,
                "code": record.code,
                "minutes_late": None,
                "modified_at": record.modified_at if shows_modified else None,
            }
            for record in records
        ],
        "deletions": [record.record_id for record in gone],
    }


def put_poison(estate: Estate, client: Mapping[str, Any], registry_url: str) -> int:
    """Put one message of each kind on the topics; what must become of each is kept in `estate.poison`."""
    with Publisher(client, client_id="rollcall-estate-poison") as publisher:
        sent = [
            (one, publisher.publish(one.topic, one.key, one.value)) for one in poison(estate, Encoder(registry_url))
        ]
        publisher.flush(60)
        for one, promise in sent:
            put: Delivery = promise.result()
            assert put.offset is not None  # a first delivery of this producer
            estate.poison.append(Poison(one.kind, one.topic, put.partition, put.offset, one.reason, one.whole))
    return len(sent)


def poison(estate: Estate, encoder: Encoder) -> list[PutMessage]:
    """The messages: each names the reason for which it, or every mark of it, must be refused."""
    rng = random.Random(f"{estate.seed}/poison")
    school = rng.choice(estate.schools)
    key = str(school.urn).encode()
    register = _register(estate, school.urn)
    mis = _mis(estate, school.urn)
    good = encoder.encode(REGISTER, register)
    good_page = encoder.encode(MIS, mis)
    stranger = {**register, "urn": NO_SCHOOL}
    evening = {**mis, "marks": [{**mis["marks"][0], "session": "EV"}]}
    return [
        PutMessage("null value", REGISTER, key, None, "no_value", True),
        PutMessage("truncated", REGISTER, key, good[:-6], "undecodable", True),
        PutMessage("truncated page", MIS, key, good_page[:-9], "undecodable", True),
        PutMessage("trailing bytes", REGISTER, key, good + b"\x00\x02ab", "undecodable", True),
        PutMessage("no header", REGISTER, key, b"not avro at all", "undecodable", True),
        PutMessage("empty", REGISTER, key, b"", "undecodable", True),
        PutMessage("unknown schema", REGISTER, key, wire.frame(NO_SCHEMA, good[5:]), "unknown_schema", True),
        PutMessage("key is not the urn", REGISTER, b"not-a-urn", good, "key_mismatch", True),
        PutMessage("no key", MIS, None, good_page, "key_mismatch", True),
        PutMessage(
            "unknown school",
            REGISTER,
            str(NO_SCHOOL).encode(),
            encoder.encode(REGISTER, stranger),
            "unknown_school",
            False,
        ),
        PutMessage("session not AM or PM", MIS, key, encoder.encode(MIS, evening), "bad_session", False),
    ]


def _register(estate: Estate, urn: int) -> dict[str, Any]:
    return {
        "submission_id": "00000000-0000-4000-8000-000000000001",
        "urn": urn,
        "source": "poisoner",
        "group_id": "none",
        "session_date": estate.dates[0],
        "session": "AM",
        "period": None,
        "complete": True,
        "revision": 1,
        "opened_at": None,
        "closed_at": None,
        "submitted_at": datetime.combine(estate.dates[0], datetime.min.time(), UTC).replace(hour=9),
        "taken_by": None,
        "code_scheme": "national",
        "marks": [{"pupil_ref": "none", "pupil_scheme": "mis", "code": "/", "minutes_late": None}],
        "amendments": [],
    }


def _mis(estate: Estate, urn: int) -> dict[str, Any]:
    return {
        "pull_id": "poison",
        "snapshot": None,
        "urn": urn,
        "source": "poisoner",
        "complete": False,
        "window_from": None,
        "window_to": None,
        "page": 0,
        "last_page": True,
        "taken_at": datetime.combine(estate.dates[0], datetime.min.time(), UTC).replace(hour=9),
        "code_scheme": "national",
        "marks": [
            {
                "record_id": "poison-1",
                "pupil_ref": "none",
                "pupil_scheme": "wonde",
                "session_date": estate.dates[0],
                "session": "AM",
                "period": None,
                "code": "/",
                "minutes_late": None,
                "modified_at": None,
            }
        ],
        "deletions": [],
    }
