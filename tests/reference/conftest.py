"""Reference messages and ways to bring them in. URNs and references are made up; no person is named."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import xxhash

from connectors.encoding import Encoder
from connectors.publisher import Publisher
from rollcall.domain import categories, source_rules
from rollcall.settings import Settings
from sinks import reference
from sinks.clickhouse import connect
from sinks.reference import Applied, Kind
from tests.topic_ends import reference_ends

TAKEN = datetime(2025, 9, 1, 5, tzinfo=UTC)
#: Kafka is shared by all tests: each takes URNs that no other has.
_urns = itertools.count(500_001)


class Cut:
    """A client whose connection fails at its n-th insert, from 0: what a crash between two tables leaves behind."""

    def __init__(self, client: Any, at: int) -> None:
        self._client, self._left = client, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def insert_arrow(self, *args: Any, **kwargs: Any) -> Any:
        self._count()
        return self._client.insert_arrow(*args, **kwargs)

    def command(self, *args: Any, **kwargs: Any) -> Any:
        """An INSERT of what is made of rows that are there."""
        self._count()
        return self._client.command(*args, **kwargs)

    def _count(self) -> None:
        if self._left == 0:
            raise ConnectionResetError
        self._left -= 1


@pytest.fixture
def urn() -> int:
    """A URN of this test's own."""
    return next(_urns)


def pupil(*refs: str, first_day: date = date(2024, 9, 1), last_day: date | None = None, **facts: Any) -> dict[str, Any]:
    """A roster's pupil with one enrolment; a reference is written scheme:ref."""
    return {
        "refs": [dict(zip(("scheme", "ref"), ref.split(":", 1), strict=True)) for ref in refs],
        "age_31_august": facts.pop("age", 10),
        "enrolments": [
            {
                "first_day": first_day,
                "last_day": last_day,
                "status": "main",
                "year_group": "5",
                "boarder": False,
                "part_time": False,
                **facts,
            }
        ],
        "groups": [{"group_id": "5A", "first_day": first_day, "last_day": last_day}],
    }


def roster(urn: int, *pupils: dict[str, Any], taken_at: datetime = TAKEN) -> dict[str, Any]:
    return {"urn": urn, "source": "test", "taken_at": taken_at, "pupils": list(pupils)}


def school(urn: int, taken_at: datetime = TAKEN, **facts: Any) -> dict[str, Any]:
    return {
        "urn": urn,
        "name": "A school",
        "la_code": "330",
        "la_name": "Birmingham",
        "region_code": "E12000005",
        "region_name": "West Midlands",
        "trust_id": None,
        "trust_name": None,
        "establishment_type": "Community school",
        "phase": "Primary",
        "state_funded": True,
        "status": "open",
        "valid_from": date(2015, 9, 1),
        "valid_to": None,
        "taken_at": taken_at,
        "source": "test",
        "establishment_number": "2001",
        "phase_of_education": "Primary",
        "establishment_status": "Open",
        "trust_school_flag": "Not applicable",
        "opened_on": None,
        "closed_on": None,
        "links": None,
        **facts,
    }


def calendar(urn: int, taken_at: datetime = TAKEN, year: int = 2025, closures: Any = ()) -> dict[str, Any]:
    return {
        "urn": urn,
        "academic_year": f"{year}/{(year + 1) % 100}",
        "taken_at": taken_at,
        "terms": [{"name": "autumn", "first_day": date(year, 9, 3), "last_day": date(year, 12, 19)}],
        "closures": [{"first_day": first, "last_day": last, "reason": "half_term"} for first, last in closures],
        "week_cycle": [],
    }


def code_map(scheme: str, version: int, *entries: tuple[str, str], published_at: datetime = TAKEN) -> dict[str, Any]:
    return {
        "scheme": scheme,
        "version": version,
        "published_at": published_at,
        "author": "data manager",
        "reason": "test",
        "entries": [
            {"raw_code": raw, "canonical_code": canonical, "valid_from": None, "valid_to": None}
            for raw, canonical in entries
        ],
    }


def key_of(record: dict[str, Any]) -> str:
    """The key of a reference message."""
    if "rules" in record:
        return str(record["urn"]) if "urn" in record else source_rules.KEY
    if "rows" in record:
        return categories.KEY
    if "aliases" in record:
        return str(record["pupil_id"])
    return str(record["scheme"] if "scheme" in record else record["urn"])


_offsets = itertools.count()


def applied(kind: Kind, record: dict[str, Any], *, digest: int | None = None, offset: int | None = None) -> Applied:
    """A message as the loader hands it to the sink."""
    return Applied(
        kind=kind,
        key=key_of(record),
        taken_at=record["published_at" if "published_at" in record else "taken_at"],
        digest=xxhash.xxh3_64_intdigest(repr(record).encode()) if digest is None else digest,
        topic_id="test",
        partition=0,
        offset=next(_offsets) if offset is None else offset,
        record=record,
    )


@pytest.fixture
def others_behind(settings: Settings, topics_made: None) -> None:
    """What other tests have put on the topics, which all share, is behind the loaders of this one."""
    client = connect(settings.clickhouse)
    reference.apply(client, [], reference_ends(settings.kafka))
    client.close()


Publish = Callable[..., None]


@pytest.fixture
def publish(settings: Settings, registered: dict[str, int], topics_made: None) -> Iterator[Publish]:
    """`publish(topic, record)`: encode and put on the topic, acknowledged; or `publish(topic, key=..., value=...)`."""
    encoder = Encoder(settings.registry.url)
    with Publisher(settings.kafka.client_config()) as publisher:

        def put(topic: str, record: dict[str, Any] | None = None, **raw: bytes | None) -> None:
            if record is None:
                publisher.publish(topic, raw["key"], raw["value"]).result()
                return
            publisher.publish(topic, raw.get("key", key_of(record).encode()), encoder.encode(topic, record)).result()

        yield put


@pytest.fixture(scope="session")
def topics_made(stack: Any) -> None:
    """All topics exist."""
    from confluent_kafka.admin import AdminClient

    from schemas.topics import apply

    apply(AdminClient({"bootstrap.servers": stack.kafka}))
