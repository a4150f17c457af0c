"""Rows for tests of what reads ClickHouse: a small world of schools, rosters and marks, with the defaults filled in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from rollcall.domain.clock import OPEN_END
from rollcall.domain.findings import bits
from sinks.derive import derive
from sinks.reference import make_schools
from sinks.reference_rows import Rows, add_rows, to_arrow

#: A Wednesday in term.
DAY = date(2025, 9, 10)
TAKEN = datetime(2025, 8, 1, tzinfo=UTC)
REGISTER_TOPIC = "attendance.register.v1"
TOPIC_ID = "00000000-0000-0000-0000-000000000001"
#: derived_version counts from 2026 on; deliveries of tests arrive after that.
ARRIVED = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)


def insert(client: Any, table: str, rows: Iterable[Mapping[str, Any]], **settings: Any) -> None:
    """Insert rows that all have the same columns."""
    rows = list(rows)
    if rows:
        names = list(rows[0])
        client.insert(table, [[row[name] for name in names] for row in rows], column_names=names, settings=settings)


def school(client: Any, urn: int, known_from: datetime | None = None, **facts: Any) -> None:
    """One span of a school's facts; known from an instant on, where one asks as at an instant."""
    defaults: dict[str, Any] = {
        "name": f"School {urn}",
        "la_code": "330",
        "la_name": "Birmingham",
        "region_code": "E12000005",
        "region_name": "West Midlands",
        "trust_id": "",
        "trust_name": "",
        "establishment_type": "Academy converter",
        "phase": "Primary",
        "state_funded": True,
        "status": "open",
        "valid_from": date(2020, 9, 1),
        "valid_to": OPEN_END,
        "taken_at": TAKEN,
    }
    said = {"urn": urn, **defaults, **facts}
    insert(client, "school", [said])
    make_schools(client, {urn})
    if known_from is not None:
        in_force(client, "school", urn, said["taken_at"], known_from)


def pupil(pupil_id: int, **facts: Any) -> dict[str, Any]:
    """One enrolment, for `roster`; `group` is the pupil's group, None for none."""
    defaults: dict[str, Any] = {
        "group": "7A",
        "first_day": date(2025, 9, 1),
        "last_day": OPEN_END,
        "status": "main",
        "year_group": "7",
        "age_31_august": 11,
        "boarder": False,
        "part_time": False,
        "in_scope": True,
        "residence_la_code": "",
    }
    return {"pupil_id": pupil_id, **defaults, **facts}


def roster(
    client: Any,
    urn: int,
    pupils: Iterable[Mapping[str, Any]],
    taken_at: datetime = TAKEN,
    known_from: datetime | None = None,
) -> None:
    """A version of a school's roster, in force when it is the latest."""
    pupils = [dict(one) for one in pupils]
    groups = [(one.pop("group"), one) for one in pupils]
    place = {"urn": urn, "taken_at": taken_at}
    insert(client, "enrolment", [{**place, **one} for one in pupils])
    insert(
        client,
        "group_membership",
        [
            {**place, "group_id": group, **{name: one[name] for name in ("pupil_id", "first_day", "last_day")}}
            for group, one in groups
            if group is not None
        ],
    )
    in_force(client, "roster", urn, taken_at, known_from)


def in_force(
    client: Any, kind: str, urn: int | str, taken_at: datetime = TAKEN, applied_at: datetime | None = None
) -> None:
    """Say that a version of reference data has been applied, now unless told."""
    insert(
        client,
        "reference_version",
        [
            {
                "kind": kind,
                "key": str(urn),
                "taken_at": taken_at,
                "digest": 1,
                "topic_id": TOPIC_ID,
                "partition": 0,
                "offset": 0,
                "applied_at": applied_at or datetime.now(UTC),
            }
        ],
    )


def timetable(client: Any, urn: int, groups: Iterable[str] = ("7A",), taken_at: datetime = TAKEN) -> None:
    """Registers expected of each group, AM and PM, Monday to Friday."""
    sessions = (("AM", "08:45", "09:15"), ("PM", "13:00", "13:30"))
    entries = [
        {"group_id": group, "session": session, "opens_at": opens, "closes_at": closes}
        for group in groups
        for session, opens, closes in sessions
    ]
    registers(client, urn, *entries, taken_at=taken_at)


def registers(
    client: Any, urn: int, *entries: Mapping[str, Any], taken_at: datetime = TAKEN, known_from: datetime | None = None
) -> None:
    """A timetable version of these registers, known from an instant on: what is not given is 7A, AM, 08:45 to 09:15,
    Monday to Friday, every week, from 1 September 2025 on."""
    defaults: dict[str, Any] = {
        "group_id": "7A",
        "session": "AM",
        "period": "",
        "opens_at": "08:45",
        "closes_at": "09:15",
        "weekdays": [1, 2, 3, 4, 5],
        "valid_from": date(2025, 9, 1),
        "valid_to": OPEN_END,
        "groups": [],
        "weeks": [],
    }
    _as_loaded(
        client, "register", [{"urn": urn, "taken_at": taken_at, "registers": [{**defaults, **one} for one in entries]}]
    )
    in_force(client, "register", urn, taken_at, known_from)


def receipt(urn: int, group_id: str, session: str = "AM", **facts: Any) -> dict[str, Any]:
    """A register that came, for `insert`."""
    return {
        "urn": urn,
        "source": "classroom",
        "source_kind": "register",
        "group_id": group_id,
        "session_date": DAY,
        "session": session,
        "period": "",
        "marks": 2,
        "accepted": 2,
        "taken_by": "staff-1",
        "topic": REGISTER_TOPIC,
        "topic_id": TOPIC_ID,
        "partition": 1,
        "offset": abs(hash((urn, group_id, session, tuple(sorted(facts.items()))))) % 2**60,
        "produced_at": ARRIVED,
        "ingested_at": ARRIVED,
        **facts,
    }


def calendar(
    client: Any,
    urn: int,
    first: date = date(2025, 9, 1),
    last: date = date(2025, 12, 19),
    closed: Iterable[date] = (),
    taken_at: datetime = TAKEN,
    known_from: datetime | None = None,
    cycle: tuple[date, list[str]] | None = None,
) -> None:
    """An autumn term, with closures of a day each and, where told, a cycle of weeks from a day on."""
    calendars(client, [calendar_of(urn, [("Autumn", first, last)], [(day, day) for day in closed], cycle, taken_at)])
    in_force(client, "calendar", urn, taken_at, known_from)


def calendar_of(
    urn: int,
    terms: Iterable[tuple[str, date, date]],
    closed: Iterable[tuple[date, date]] = (),
    cycle: tuple[date, list[str]] | None = None,
    taken_at: datetime = TAKEN,
    year: str = "2025/26",
) -> dict[str, Any]:
    """What a message of `reference.calendar.v1` says, for `calendars`. Closures are INSET days."""
    return {
        "urn": urn,
        "academic_year": year,
        "taken_at": taken_at,
        "terms": [{"name": name, "first_day": first, "last_day": last} for name, first, last in terms],
        "closures": [{"first_day": first, "last_day": last, "reason": "inset"} for first, last in closed],
        "week_cycle": [] if cycle is None else [{"first_day": cycle[0], "weeks": cycle[1]}],
    }


def calendars(client: Any, records: Iterable[Mapping[str, Any]]) -> None:
    """Calendars as the loader writes them, but for the version that puts them in force as at an instant."""
    _as_loaded(client, "calendar", records)


def _as_loaded(client: Any, kind: str, records: Iterable[Mapping[str, Any]]) -> None:
    said: Rows = defaultdict(list)
    for record in records:
        add_rows(said, kind, record, record["taken_at"])
    for table, of_table in said.items():
        if of_table:
            client.insert_arrow(table, to_arrow(table, of_table), settings={"async_insert": 0})


def code_map(
    client: Any,
    entries: Mapping[str, str],
    scheme: str = "national",
    version: int = 1,
    published_at: datetime = TAKEN,
    known_from: datetime | None = None,
) -> None:
    """A published map without dates; known from an instant on, where one asks as at an instant."""
    insert(
        client,
        "code_map",
        [
            {
                "scheme": scheme,
                "version": version,
                "raw_code": raw,
                "canonical_code": canonical,
                "valid_from": date(1970, 1, 1),
                "valid_to": OPEN_END,
                "published_at": published_at,
            }
            for raw, canonical in entries.items()
        ],
    )
    if known_from is not None:
        in_force(client, "code-map", scheme, published_at, known_from)


def mark(pupil_id: int, code: str = "/", **facts: Any) -> dict[str, Any]:
    """One accepted delivery, for `history`; `exceptions` are names. Its offset tells deliveries apart."""
    offset, item = facts.get("offset", pupil_id), facts.get("item", 0)
    asserted_at = facts.get("asserted_at", datetime(2025, 9, 10, 7, 50, tzinfo=UTC))
    defaults: dict[str, Any] = {
        "session_date": DAY,
        "urn": 100001,
        "session": "AM",
        "period": "",
        "pupil_ref": f"ref-{pupil_id}",
        "pupil_scheme": "mis",
        "source": "classroom",
        "source_kind": "register",
        "record_id": "",
        "group_id": "7A",
        "code_scheme": "national",
        "canonical_code": code,
        "map_version": 1,
        "minutes_late": -1,
        "deleted": False,
        "superseded": False,
        "asserted_at": asserted_at,
        "version": (int(asserted_at.timestamp() * 1000) << 20) | offset,
        "ingested_at": ARRIVED,
        "year_group": "7",
        "in_scope": True,
        "content": hash(code) & 0xFFFF_FFFF,
        "topic": REGISTER_TOPIC,
        "topic_id": TOPIC_ID,
        "partition": 0,
        "offset": offset,
        "item": item,
        "schema_id": 1,
        "batch": 1,
    }
    row = {"pupil_id": pupil_id, "raw_code": code, **defaults, **facts}
    row["exceptions"] = bits(facts.get("exceptions", ()))
    row["event_id"] = facts.get("event_id", (row["partition"] << 48) | (row["offset"] << 16) | row["item"])
    return row


def in_hand(begun: datetime) -> dict[str, Any]:
    """A range of the ledger that a worker has begun and not finished."""
    return {
        "consumer_group": "workers", "topic": REGISTER_TOPIC, "topic_id": TOPIC_ID, "partition": 3,
        "first_offset": 120, "last_offset": 140, "epoch": 1, "batch": 7, "ingested_at": begun, "state": "PENDING",
    }  # fmt: skip


def history(client: Any, marks: Iterable[Mapping[str, Any]], derived: bool = True) -> None:
    """Write deliveries to the history and (as a worker does next) derive the current state from them."""
    marks = list(marks)
    insert(client, "mark_event", marks)
    if derived:
        derive(client, sorted({one["batch"] for one in marks}))
