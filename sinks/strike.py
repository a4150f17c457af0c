"""Which schools were open on a strike day (rule 24), as a table ready for publication: counts, and percentages beside.

The registers tell; what a school or its authority declares fills only what they leave unknown, and is counted apart. A
percentage is of three things, each named: of schools whose status is known, of schools that responded (any mark of the
day), as the Department's second figure was, and of all schools expected. Schools not expected are in none of them.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import now
from rollcall.domain.phases import PHASES
from rollcall.domain.strike import DECLARABLE, STATUSES, Declared, StrikeRule, rule_of
from rollcall.errors import UsageError
from sinks.as_at import known, opened, settled
from sinks.releases import as_csv, sha256, write
from sinks.reports import percent
from sinks.statements import load

__all__ = ["GROUPINGS", "SCHOOLS", "Cut", "School", "publish", "read_statuses", "schools", "table"]

Row = dict[str, str]
#: By what the table is broken down, beside the nation's total.
GROUPINGS = ("region", "phase", "la")
#: Beside the table stands a file of its schools; of this name, behind the table's.
SCHOOLS = ".schools.csv"
#: How a school stands at a cut, as the table counts it.
_STANDS = ("answered", "late", "failed")
_OF = ("known", "responded", "all")
_TOTAL = "Total"


class School(NamedTuple):
    """A school on a session date. `pupils`: on roll who should have a mark; `marks`: that stand of them."""

    urn: int
    la_code: str
    la_name: str
    region_code: str
    region_name: str
    phase: str
    status: str
    has_responded: bool
    pupils: int
    marks: int


@dataclass(frozen=True)
class Cut:
    """What a table is of: a session date, and what is known beside the registers.

    `known_at` (UTC): when it was known. `by_then`: only what was known then counts; else all that stands. `waiting`:
    what is still to be taken in of the cut, in lines; what was known by then may still grow as long as there is any.
    `stands`: URN -> answered, late or failed, of the schools asked; `declared`: what people say; `earlier`: URN ->
    status, of the table that changes are counted from. `facts`: what else the manifest says.
    """

    day: date
    label: str
    known_at: datetime
    by_then: bool = False
    waiting: Sequence[str] = ()
    stands: Mapping[int, str] = field(default_factory=dict)
    declared: Sequence[Declared] = ()
    earlier: Mapping[int, str] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def schools(client: Client, day: date, rule: StrikeRule) -> list[School]:
    """The status of every school of the headline that is open as a school, by what the client's database knows."""
    asked = {name: value for name, value in rule.as_json().items() if name not in ("version", "first_day", "last_day")}
    rows = client.query(load("strike_schools"), parameters={**asked, "day": day}).result_rows
    return [School(*row[: len(School._fields)]) for row in rows]


def table(found: Sequence[School], cut: Cut, by: Collection[str] = ("region", "phase")) -> list[Row]:
    """The rows: the nation's total, and as asked by phase, by region, by authority and by each of them and phase."""
    filled = _filled(found, cut)
    groups: dict[tuple[str, ...], list[School]] = {}
    for school in found:
        for place in _places(school, by):
            for phase in (school.phase, _TOTAL) if "phase" in by else (_TOTAL,):
                groups.setdefault((*place, phase), []).append(school)
    return [_row(key, groups[key], cut, filled) for key in sorted(groups, key=_order)]


def publish(client: Client, cut: Cut, by: Collection[str], file: Path) -> dict[str, Any]:
    """Write the table, its schools (`<file>.schools.csv`, not for publication) and its manifest; returns the manifest.

    What was known at the cut's instant is asked of the history only where something came later, of the schools that it
    concerns: that takes a user who may create databases. Each file is replaced whole, the manifest last. Raises
    UsageError when they cannot be written, or as `sinks.as_at.settled` does.
    """
    rule = rule_of(cut.day)
    found, versions = (_by_then if cut.by_then else _standing)(client, cut, rule)
    if not found:
        raise UsageError(f"no school of the headline is known to be open as a school on {cut.day}: load the schools")
    filled = _filled(found, cut)
    rows = table(found, cut, by)
    schools_rows = [_school_row(one, filled) for one in found]
    text, of_schools = (as_csv(some, list(some[0])) for some in (rows, schools_rows))
    manifest = {
        "file": file.name, "sha256": sha256(text), "rows": len(rows),
        "schools_file": f"{file.name}{SCHOOLS}", "schools_sha256": sha256(of_schools), "schools": len(found),
        "session_date": cut.day.isoformat(), "cut": cut.label, **cut.facts,
        "known_at": cut.known_at.isoformat(timespec="milliseconds"), "waiting": list(cut.waiting),
        "basis": "statutory", "provisional": True, "rule": rule.as_json(), **versions,
        "declared": _told(found, cut, filled), "changes": _moves(found, cut),
        "written_at": now().isoformat(timespec="seconds"),
    }  # fmt: skip
    write(file, text, manifest, {manifest["schools_file"]: of_schools})
    return manifest


def read_statuses(file: Path) -> dict[int, str]:
    """URN -> status of an earlier table, from the file of its schools beside it. Raises UsageError."""
    beside = file.with_name(f"{file.name}{SCHOOLS}")
    try:
        with beside.open(encoding="utf-8", newline="") as text:
            found = {int(row["urn"]): row["status"] for row in csv.DictReader(text)}
    except OSError as error:
        raise UsageError(f"{beside} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{beside} is no file of schools of a strike day") from None
    if wrong := set(found.values()) - set(STATUSES):
        raise UsageError(f"{beside}: {min(wrong)} is no status")
    return found


def _standing(client: Client, cut: Cut, rule: StrikeRule) -> tuple[list[School], dict[str, int]]:
    """The status of every school by what stands, and by which versions."""
    return schools(client, cut.day, rule), known(client, None).versions


def _by_then(client: Client, cut: Cut, rule: StrikeRule) -> tuple[list[School], dict[str, int]]:
    """The same by what was known at the cut's instant: of schools of which nothing came later that is what stands."""
    if not cut.waiting:
        settled(client, cut.known_at)
    standing, versions = _standing(client, cut, rule)
    # Asked behind what stands: whatever came meanwhile is among it.
    asked = {"day": cut.day, "at": _instant(cut.known_at)}
    later = {int(urn) for (urn,) in client.query(load("strike_later"), parameters=asked).result_rows}
    if not later:
        return standing, versions
    of_any = 0 in later
    urns, asks = () if of_any else later, [load("strike_schools")]
    with opened(client, cut.known_at, cut.day, cut.day, urns, asks, settle=False) as then:
        past, versions_then = _standing(then, cut, rule)
    if of_any:
        return past, versions_then
    return sorted([*(one for one in standing if one.urn not in later), *past]), versions


def _filled(found: Sequence[School], cut: Cut) -> dict[int, str]:
    """URN -> declared status, of schools that the registers leave unknown: the last that was declared by the cut."""
    unknown = {one.urn for one in found if one.status == "unknown"}
    said = sorted(
        (one for one in cut.declared if one.urn in unknown and one.at <= cut.known_at), key=lambda one: one.at
    )
    return {one.urn: one.status for one in said}


def _told(found: Sequence[School], cut: Cut, filled: Mapping[int, str]) -> dict[str, int]:
    """What became of the declared statuses, in schools."""
    known = {one.urn: one.status for one in found}
    told = {one.urn for one in cut.declared}
    unused = told - set(filled)
    return {
        "fill_unknown": len(filled),
        "registers_tell": sum(known.get(urn, "unknown") != "unknown" for urn in unused),
        "declared_after_the_cut": sum(known.get(urn) == "unknown" for urn in unused),
        "no_such_school": sum(urn not in known for urn in unused),
    }


def _moves(found: Sequence[School], cut: Cut) -> list[dict[str, Any]] | None:
    """How many schools went from one status to another since the earlier table; None without one."""
    if cut.earlier is None:
        return None
    moved = Counter((cut.earlier.get(one.urn, "not in the table"), one.status) for one in found)
    return [
        {"from": before, "to": after, "schools": number}
        for (before, after), number in sorted(moved.items())
        if before != after
    ]


def _places(school: School, by: Collection[str]) -> Iterator[tuple[str, ...]]:
    yield "National", "", "", "", ""
    if "region" in by:
        yield "Regional", school.region_code, school.region_name, "", ""
    if "la" in by:
        yield "Local authority", school.region_code, school.region_name, school.la_code, school.la_name


def _order(key: tuple[str, ...]) -> tuple[Any, ...]:
    level, *area, phase = key
    return ("National", "Regional", "Local authority").index(level), area, (*PHASES, _TOTAL).index(phase)


def _row(key: tuple[str, ...], found: Sequence[School], cut: Cut, filled: Mapping[int, str]) -> Row:
    expected = [one for one in found if one.status != "not expected"]
    counts = Counter(one.status for one in expected)
    responded = sum(one.has_responded for one in expected)
    known = len(expected) - counts["unknown"]
    names = ("geographic_level", "region_code", "region_name", "old_la_code", "la_name", "school_type")
    row: Row = {"session_date": cut.day.isoformat(), "cut": cut.label, **dict(zip(names, key, strict=True))}
    numbers: dict[str, int] = {
        "schools": len(expected), "schools_not_expected": len(found) - len(expected), "schools_responded": responded,
        "schools_known": known, **{status: counts[status] for status in (*DECLARABLE, "unknown")},
    }  # fmt: skip
    row |= {name: str(number) for name, number in numbers.items()}
    row["response_percent"] = _percent(responded, len(expected))
    for of, whole in zip(_OF, (known, responded, len(expected)), strict=True):
        row |= {f"{status}_percent_of_{of}": _percent(counts[status], whole) for status in DECLARABLE}
    declared = Counter(filled[one.urn] for one in expected if one.urn in filled)
    row |= {f"declared_{status}": str(declared[status]) for status in DECLARABLE}
    stands = Counter(cut.stands[one.urn] for one in found if one.urn in cut.stands)
    row |= {"asked": str(stands.total()), **{one: str(stands[one]) for one in _STANDS}}
    before = None if cut.earlier is None else Counter(cut.earlier.get(one.urn) for one in found)
    for status in (*DECLARABLE, "unknown"):
        row[f"{status}_change"] = "" if before is None else str(counts[status] - before[status])
    return row


def _school_row(school: School, filled: Mapping[int, str]) -> Row:
    return {name: str(value) for name, value in school._asdict().items()} | {"declared": filled.get(school.urn, "")}


def _percent(part: int, of: int) -> str:
    """With one decimal, as it was published (rule 19); empty of nothing."""
    share = percent(part, of, places=1)
    return "" if share is None else str(share)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
