"""The estate's reference data: what a trust's own loader would publish to the reference.* topics.

Schools, calendars, expected registers and code maps of all schools; rosters of the schools that post registers (pulled
schools' rosters come through their MIS connector, unless asked for: loads that bypass HTTP have no connector).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from connectors.encoding import Encoder
from connectors.estate.messages import PupilRefs
from connectors.estate.pulled import LESSON_PERIODS
from connectors.estate.pupils import BOARDER, DUAL, PART_TIME, PRE_ADMISSION, academic_year_of, year_name
from connectors.estate.registers import groups_of
from connectors.estate.schools import School
from connectors.estate.script import code_maps
from connectors.estate.upheavals import Upheavals
from connectors.publisher import Publisher
from rollcall.domain.identity import academic_year

if TYPE_CHECKING:
    from connectors.estate.estate import Estate

__all__ = ["ReferenceRecord", "expected_registers", "publish", "records", "roster"]

_WEEKDAYS = [1, 2, 3, 4, 5]


class ReferenceRecord(NamedTuple):
    """One message of a reference topic, not yet encoded."""

    topic: str
    key: str
    value: dict[str, Any]


def publish(
    estate: Estate,
    client: Mapping[str, Any],
    registry_url: str,
    refs: PupilRefs,
    *,
    pulled_rosters: bool = False,
    first_version: int = 1,
) -> int:
    """Publish all of it and wait until Kafka has acknowledged it; returns how many messages.

    client: brokers and security (`settings.kafka.client_config()`). refs: keys the UPNs. first_version: version of the
    first code map, one more than the greatest that any scheme has. Raises KafkaAway, KafkaError or RegistryAway.
    """
    encoder = Encoder(registry_url)
    count = 0
    with Publisher(client, client_id="rollcall-estate-reference") as publisher:
        promises = []
        for one in records(estate, refs, pulled_rosters=pulled_rosters, first_version=first_version):
            promises.append(publisher.publish(one.topic, one.key.encode(), encoder.encode(one.topic, one.value)))
            count += 1
        publisher.flush(120)
        for promise in promises:
            promise.result()
    return count


def records(
    estate: Estate, refs: PupilRefs, *, pulled_rosters: bool = False, first_version: int = 1
) -> Iterator[ReferenceRecord]:
    """Every reference message of the estate: code maps first, then school by school."""
    taken_at = datetime.combine(estate.dates[0], datetime.min.time(), UTC) + timedelta(hours=5)
    for version, (scheme, entries) in enumerate(code_maps(estate.schools).items(), first_version):
        value = {
            "scheme": scheme,
            "version": version,
            "published_at": taken_at,
            "author": "data manager",
            "reason": "first publication",
            "entries": [entry._asdict() for entry in entries],
        }
        yield ReferenceRecord("reference.code-map.v1", scheme, value)
    turned = estate.upheavals
    for school in estate.by_urn.values():
        yield ReferenceRecord("reference.school.v1", str(school.urn), _facts(school, taken_at) | _life(turned, school))
        for year in estate.calendar.years:
            yield ReferenceRecord("reference.calendar.v1", str(school.urn), _calendar(estate, school, year, taken_at))
        registers = expected_registers(estate, school, estate.dates[0], taken_at)
        yield ReferenceRecord("reference.register.v1", str(school.urn), registers)
        if (not school.pulled or pulled_rosters) and not (turned and school == turned.late):
            yield ReferenceRecord("reference.roster.v1", str(school.urn), roster(estate, school, refs, taken_at))


def _facts(school: School, taken_at: datetime) -> dict[str, Any]:
    return {
        "urn": school.urn,
        "name": school.name,
        "la_code": school.la_code,
        "la_name": school.la_name,
        "region_code": school.region_code,
        "region_name": school.region_name,
        "trust_id": school.trust_id,
        "trust_name": school.trust_name,
        "establishment_type": school.establishment_type,
        "phase": school.phase,
        "state_funded": True,
        "status": "open",
        "valid_from": date(2015, 9, 1),
        "valid_to": None,
        "taken_at": taken_at,
    }


def _life(turned: Upheavals | None, school: School) -> dict[str, Any]:
    """What is said besides of a school that became an academy this morning, and of the one it was (rule 12)."""
    if turned is None or turned.converted is None or turned.predecessor is None:
        return {}
    if school == turned.converted:
        link = {"urn": turned.predecessor.urn, "link_type": "Predecessor", "linked_on": turned.day}
        return {"opened_on": turned.day, "links": [link]}
    if school == turned.predecessor:
        link = {"urn": turned.converted.urn, "link_type": "Successor", "linked_on": turned.day}
        return {"closed_on": turned.last_day, "status": "closed", "links": [link]}
    return {}


def _calendar(estate: Estate, school: School, year: int, taken_at: datetime) -> dict[str, Any]:
    terms = estate.calendar.terms(year)
    return {
        "urn": school.urn,
        "academic_year": academic_year(date(year, 9, 1)),
        "taken_at": taken_at,
        "terms": [{"name": name, "first_day": first, "last_day": last} for name, first, last in terms],
        "closures": [
            {"first_day": first, "last_day": last, "reason": reason}
            for first, last, reason in estate.calendar.closures(year)
        ],
    }


def expected_registers(estate: Estate, school: School, day: date, taken_at: datetime) -> dict[str, Any]:
    """The record of `reference.register.v1`: one register a group and session, and the lesson periods. Groups in which
    no mark is due of anybody (part-time nursery in the afternoon) expect none."""
    opens_am, closes_am, opens_pm, closes_pm = school.times
    begin = date(academic_year_of(day), 9, 1)
    registers = []
    flags = estate.pupils.flags
    for group, rows in groups_of(estate.pupils, school):
        full_day = bool(np.any((flags[rows] & (PART_TIME | BOARDER)) == 0))
        slots: list[tuple[str, str | None, str, str]] = [("AM", None, opens_am, closes_am)]
        if full_day:
            slots.append(("PM", None, opens_pm, closes_pm))
        if school.lessons:
            slots += [(session, name, opens, closes) for name, opens, closes, session in LESSON_PERIODS]
        for session, period, opens, closes in slots:
            registers.append(
                {
                    "group_id": group,
                    "session": session,
                    "period": period,
                    "opens_at": opens,
                    "closes_at": closes,
                    "weekdays": _WEEKDAYS,
                    "valid_from": begin,
                    "valid_to": None,
                }
            )
    return {"urn": school.urn, "source": "trust", "taken_at": taken_at, "registers": registers}


def roster(
    estate: Estate, school: School, refs: PupilRefs, taken_at: datetime, without: Collection[int] = ()
) -> dict[str, Any]:
    """The record of `reference.roster.v1`: every pupil the school knows, also who left or is not admitted yet.

    Without those of the rows `without`, and those who are on no roster yet.
    """
    pupils, day = estate.pupils, estate.dates[0]
    entries = []
    for row, upn in zip(pupils.of(school), estate.upns(school), strict=True):
        flags = int(pupils.flags[row])
        first, last = pupils.enrolled(row, day)
        named = [(school.make, school.pupil_id(row))] if school.pulled else []
        named += [("mis", pupils.mis_id(row))] if school.tells_mis_id else []
        named.append(refs(upn))
        twin = int(pupils.upn_of[row]) != row
        status = "pre-admission" if flags & PRE_ADMISSION else "subsidiary" if flags & DUAL and twin else "main"
        entries.append(
            {
                "refs": [{"scheme": scheme, "ref": ref} for scheme, ref in named],
                "age_31_august": int(pupils.year[row]) + 4,
                "residence_la_code": pupils.residence(row, school),
                "enrolments": [
                    {
                        "first_day": first,
                        "last_day": last,
                        "status": status,
                        "year_group": year_name(int(pupils.year[row])),
                        "boarder": bool(flags & BOARDER),
                        "part_time": bool(flags & PART_TIME),
                    }
                ],
                "groups": [{"group_id": pupils.group(row), "first_day": first, "last_day": last}],
            }
        )
    if estate.upheavals is not None:
        entries = _turned(estate.upheavals, school, list(pupils.of(school)), entries)
        without = {*without, *estate.upheavals.away}
    away = {at for at, row in enumerate(pupils.of(school)) if row in without}
    entries = [entry for at, entry in enumerate(entries) if at not in away]
    source = school.make if school.pulled else "trust"
    return {"urn": school.urn, "source": source, "taken_at": taken_at, "pupils": entries}


def _turned(turned: Upheavals, school: School, rows: list[int], entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The roster of a school at which something changes: children's second numbers; the pupils of a school that was."""
    added = []
    for child in turned.numbers:
        if child.school == school:
            own = entries[rows.index(child.row)]
            named = own | {"refs": [{"scheme": "mis", "ref": child.ref}]}
            added.append(named | _ended(turned, own, child == turned.split))
    if school == turned.predecessor:
        entries = [entry | _ended(turned, entry, True) for entry in entries]
    return [*entries, *added]


def _ended(turned: Upheavals, entry: dict[str, Any], ended: bool) -> dict[str, Any]:
    """Enrolments and groups of an entry, none of them after what ended."""
    if not ended:
        return {}
    return {
        name: [
            one | {"last_day": min(one["last_day"] or turned.last_day, turned.last_day)}
            for one in entry[name]
            if one["first_day"] <= turned.last_day
        ]
        for name in ("enrolments", "groups")
    }
