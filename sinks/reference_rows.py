"""What one message of a reference topic says, as rows of the reference tables (migration 0003)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from rollcall.domain.clock import OPEN_END, OPEN_START
from sinks import category_rows, lesson_rule_rows, source_rule_rows
from sinks.calendar_weeks import school_weeks
from sinks.roster import Ref, in_scope, resolve

__all__ = ["TABLES", "Rows", "add_rows", "to_arrow"]

#: Rows by table; a row is a tuple in the order of `TABLES`.
Rows = defaultdict[str, list[tuple[Any, ...]]]

_INSTANT = pa.timestamp("ms", "UTC")
#: The days of a school of which a record of the schema's first version says nothing.
_UNTOLD: dict[str, date | None] = {"opened_on": None, "closed_on": None}

#: The tables a message may fill and their columns, in the order in which they are written: the crosswalk first, so
#: that whoever sees an enrolment can resolve its pupil, and of a calendar last what puts its version in force: its
#: terms, and its weeks in one row.
TABLES: dict[str, pa.Schema] = {
    "crosswalk": pa.schema(
        {
            "urn": pa.uint32(),
            "scheme": pa.string(),
            "ref": pa.string(),
            "pupil_id": pa.uint64(),
            "valid_from": pa.date32(),
            "valid_to": pa.date32(),
            "upn_invalid": pa.bool_(),
            "upn_shared": pa.bool_(),
            "ambiguous": pa.bool_(),
            "updated_at": pa.timestamp("us", "UTC"),
        }
    ),
    "enrolment": pa.schema(
        {
            "urn": pa.uint32(),
            "taken_at": _INSTANT,
            "pupil_id": pa.uint64(),
            "first_day": pa.date32(),
            "last_day": pa.date32(),
            "status": pa.string(),
            "year_group": pa.string(),
            "age_31_august": pa.uint8(),
            "boarder": pa.bool_(),
            "part_time": pa.bool_(),
            "in_scope": pa.bool_(),
            "residence_la_code": pa.string(),
        }
    ),
    "group_membership": pa.schema(
        {
            "urn": pa.uint32(),
            "taken_at": _INSTANT,
            "group_id": pa.string(),
            "pupil_id": pa.uint64(),
            "first_day": pa.date32(),
            "last_day": pa.date32(),
        }
    ),
    "school": pa.schema(
        {
            "urn": pa.uint32(),
            "name": pa.string(),
            "la_code": pa.string(),
            "la_name": pa.string(),
            "region_code": pa.string(),
            "region_name": pa.string(),
            "trust_id": pa.string(),
            "trust_name": pa.string(),
            "establishment_type": pa.string(),
            "phase": pa.string(),
            "state_funded": pa.bool_(),
            "status": pa.string(),
            "valid_from": pa.date32(),
            "valid_to": pa.date32(),
            "taken_at": _INSTANT,
            "source": pa.string(),
            "establishment_number": pa.string(),
            "phase_of_education": pa.string(),
            "establishment_status": pa.string(),
            "trust_school_flag": pa.string(),
            "opened_on": pa.date32(),
            "closed_on": pa.date32(),
        }
    ),
    "school_link": pa.schema(
        {
            "urn": pa.uint32(),
            "taken_at": _INSTANT,
            "linked_urn": pa.uint32(),
            "link_type": pa.string(),
            "linked_on": pa.date32(),
        }
    ),
    "expected_register": pa.schema(
        {
            "urn": pa.uint32(),
            "taken_at": _INSTANT,
            "group_id": pa.string(),
            "session": pa.string(),
            "period": pa.string(),
            "opens_at": pa.string(),
            "closes_at": pa.string(),
            "weekdays": pa.list_(pa.uint8()),
            "valid_from": pa.date32(),
            "valid_to": pa.date32(),
            "entry": pa.uint16(),
            "groups": pa.list_(pa.string()),
            "weeks": pa.list_(pa.string()),
        }
    ),
    "school_opening": pa.schema(
        {
            "urn": pa.uint32(),
            "taken_at": _INSTANT,
            "session": pa.list_(pa.string()),
            "opens_at": pa.list_(pa.string()),
            "weekdays": pa.list_(pa.list_(pa.uint8())),
            "weeks": pa.list_(pa.list_(pa.string())),
            "valid_from": pa.list_(pa.date32()),
            "valid_to": pa.list_(pa.date32()),
        }
    ),
    "school_week": pa.schema(
        {
            "urn": pa.uint32(),
            "taken_at": _INSTANT,
            "academic_year": pa.string(),
            "week_commencing": pa.date32(),
            "week": pa.string(),
            "days": pa.list_(pa.uint8()),
        }
    ),
    "calendar_closure": pa.schema(
        {
            "urn": pa.uint32(),
            "taken_at": _INSTANT,
            "academic_year": pa.string(),
            "first_day": pa.date32(),
            "last_day": pa.date32(),
            "reason": pa.string(),
        }
    ),
    "calendar_week": pa.schema(
        {
            "urn": pa.uint32(),
            "taken_at": _INSTANT,
            "academic_year": pa.string(),
            "first_day": pa.date32(),
            "weeks": pa.list_(pa.string()),
        }
    ),
    "calendar_term": pa.schema(
        {
            "urn": pa.uint32(),
            "taken_at": _INSTANT,
            "academic_year": pa.string(),
            "name": pa.string(),
            "first_day": pa.date32(),
            "last_day": pa.date32(),
        }
    ),
    "school_calendar": pa.schema(
        {
            "urn": pa.uint32(),
            "academic_year": pa.string(),
            "taken_at": _INSTANT,
            "week_commencing": pa.list_(pa.date32()),
            "week": pa.list_(pa.string()),
            "days": pa.list_(pa.list_(pa.uint8())),
        }
    ),
    "code_map": pa.schema(
        {
            "scheme": pa.string(),
            "version": pa.uint32(),
            "raw_code": pa.string(),
            "canonical_code": pa.string(),
            "valid_from": pa.date32(),
            "valid_to": pa.date32(),
            "published_at": _INSTANT,
            "author": pa.string(),
            "reason": pa.string(),
        }
    ),
    "code_category": pa.schema(
        {
            "canonical_code": pa.string(),
            "label": pa.string(),
            "category": pa.string(),
            "in_possible_sessions": pa.bool_(),
            "counts_as_attendance": pa.bool_(),
            "absence_type": pa.string(),
            "valid_from": pa.date32(),
            "valid_to": pa.date32(),
            "dfe_column": pa.string(),
            "version": pa.uint32(),
            "applies_from": pa.date32(),
            "published_at": _INSTANT,
            "author": pa.string(),
            "reason": pa.string(),
        }
    ),
    "source_rule": pa.schema(
        {
            "version": pa.uint32(),
            "position": pa.uint16(),
            "name": pa.string(),
            "urn": pa.uint32(),
            "source": pa.string(),
            "source_kind": pa.string(),
            "code_class": pa.string(),
            "codes": pa.list_(pa.string()),
            "precedence": pa.uint16(),
            "dates_mean": pa.string(),
            "first_day": pa.date32(),
            "last_day": pa.date32(),
            "begins_at": _INSTANT,
            "ends_at": _INSTANT,
            "in_force": pa.bool_(),
            "author": pa.string(),
            "reason": pa.string(),
            "published_at": _INSTANT,
            "known_from": _INSTANT,
        }
    ),
    "pupil_alias": pa.schema(
        {
            "pupil_id": pa.uint64(),
            "version": pa.uint32(),
            "entry": pa.uint16(),
            "urn": pa.uint32(),
            "source": pa.string(),
            "valid_from": pa.date32(),
            "valid_to": pa.date32(),
            "to_pupil_id": pa.uint64(),
            "kind": pa.string(),
            "author": pa.string(),
            "reason": pa.string(),
            "published_at": _INSTANT,
        }
    ),
    "lesson_rule": pa.schema(
        {
            "urn": pa.uint32(),
            "version": pa.uint32(),
            "position": pa.uint16(),
            "name": pa.string(),
            "first_day": pa.date32(),
            "last_day": pa.date32(),
            "am": pa.list_(pa.string()),
            "pm": pa.list_(pa.string()),
            "said_best": pa.list_(pa.string()),
            "best": pa.list_(pa.string()),
            "author": pa.string(),
            "reason": pa.string(),
            "published_at": _INSTANT,
        }
    ),
}


def to_arrow(table: str, rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows of one table as an Arrow table with its columns and types."""
    schema = TABLES[table]
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def add_rows(
    rows: Rows, kind: str, record: Mapping[str, Any], taken_at: datetime, known: dict[Ref, int] | None = None,
    number: int = 0,
) -> None:  # fmt: skip
    """Add what a message says. `kind` as in reference_version; `record` as its schema says, dates and instants read;
    what only later versions of the schema have may be missing.

    A roster needs `known`, the school's crosswalk so far, (scheme, ref) -> pupil_id, and adds what it gives to it.
    `number`: of the publication, for what counts in that sequence (sinks/publications.py).
    """
    match kind:
        case "roster":
            _roster(rows, record, taken_at, {} if known is None else known)
        case "school":
            _school(rows, record, taken_at)
        case "register":
            _expected_registers(rows, record, taken_at)
        case "calendar":
            _calendar(rows, record, taken_at)
        case "code-map":
            _code_map(rows, record, taken_at, number)
        case "code-category":
            rows["code_category"] += category_rows.of_message(record, number, taken_at)
        case "source-rule":
            rows["source_rule"] += source_rule_rows.of_message(record, number, taken_at)
        case "pupil-alias":
            _pupil_aliases(rows, record, taken_at, number)
        case "lesson-rule":
            rows["lesson_rule"] += lesson_rule_rows.of_message(record, number, taken_at)
        case _:
            raise ValueError(f"{kind} is no kind of reference data")


def _roster(rows: Rows, record: Mapping[str, Any], taken_at: datetime, known: dict[Ref, int]) -> None:
    urn = record["urn"]
    pupils, crosswalk = resolve(urn, record["pupils"], known)
    for row in crosswalk:
        known[row.ref] = row.pupil_id
        # The version of a row is the roster's own time: an older roster that comes late changes no flag of a newer one.
        rows["crosswalk"].append(
            (
                urn,
                *row.ref,
                row.pupil_id,
                OPEN_START,
                OPEN_END,
                row.upn_invalid,
                row.upn_shared,
                row.ambiguous,
                taken_at,
            )
        )
    for pupil in pupils:
        for entry in pupil.entries:
            age = min(max(entry["age_31_august"], 0), 255)
            lives_in = entry.get("residence_la_code") or ""
            for spell in entry["enrolments"]:
                year = spell["year_group"]
                facts = (spell["boarder"], spell["part_time"], in_scope(age, year), lives_in)
                rows["enrolment"].append(
                    (urn, taken_at, pupil.pupil_id, *_span(spell), spell["status"], year, age, *facts)
                )
            for group in entry["groups"]:
                rows["group_membership"].append((urn, taken_at, group["group_id"], pupil.pupil_id, *_span(group)))


def _school(rows: Rows, record: Mapping[str, Any], taken_at: datetime) -> None:
    names = TABLES["school"].names
    facts = [record[name] or "" for name in names[1:10]]
    valid = _span(record, "valid_from", "valid_to")
    said = [record.get(name, "") for name in names[names.index("source") : names.index("opened_on")]]
    life = _span({**_UNTOLD, **record}, "opened_on", "closed_on")
    rows["school"].append(
        (record["urn"], *facts, record["state_funded"], record["status"], *valid, taken_at, *said, *life)
    )
    links = record.get("links")
    if links is None:
        return
    # A version without links is a version too: without its row, what was linked before would stand.
    for link in links or [{"urn": 0, "link_type": "", "linked_on": None}]:
        linked_on = _span(link, "linked_on", "linked_on")[0]
        rows["school_link"].append((record["urn"], taken_at, link["urn"], link["link_type"], linked_on))


def _expected_registers(rows: Rows, record: Mapping[str, Any], taken_at: datetime) -> None:
    urn = record["urn"]
    opens: dict[tuple[Any, ...], str] = {}
    for entry, one in enumerate(record["registers"]):
        weekdays = sorted({day for day in one["weekdays"] if 1 <= day <= 7})
        days, weeks = _span(one, "valid_from", "valid_to"), list(one.get("weeks", ()))
        times = (one["opens_at"], one["closes_at"], weekdays, *days)
        whose = (entry, list(one.get("groups", ())), weeks)
        rows["expected_register"].append(
            (urn, taken_at, one["group_id"], one["session"], one["period"] or "", *times, *whose)
        )
        if not one["period"]:
            kind = (one["session"], tuple(weekdays), tuple(weeks), *days)
            opens[kind] = min(opens.get(kind, one["opens_at"]), one["opens_at"])
    # A timetable without registers of sessions is one too: without its row, the openings of before would stand.
    sessions, weekdays_of, weeks_of, first, last = ([kind[part] for kind in opens] for part in range(5))
    rows["school_opening"].append((urn, taken_at, sessions, list(opens.values()), weekdays_of, weeks_of, first, last))


def _calendar(rows: Rows, record: Mapping[str, Any], taken_at: datetime) -> None:
    head = (record["urn"], taken_at, record["academic_year"])
    terms = [(term["name"], *_span(term)) for term in record["terms"]]
    closures = [(*_span(closure), closure["reason"]) for closure in record["closures"]]
    cycles = [(_span(one, "first_day", "first_day")[0], list(one["weeks"])) for one in record.get("week_cycle", ())]
    rows["calendar_term"] += [(*head, *term) for term in terms]
    rows["calendar_closure"] += [(*head, *closure) for closure in closures]
    rows["calendar_week"] += [(*head, *cycle) for cycle in cycles]
    weeks = school_weeks([term[1:] for term in terms], [closure[:2] for closure in closures], cycles)
    rows["school_week"] += [(*head, *week) for week in weeks]
    if terms:
        columns = ([week[part] for week in weeks] for part in range(3))
        rows["school_calendar"].append((record["urn"], record["academic_year"], taken_at, *columns))


def _code_map(rows: Rows, record: Mapping[str, Any], taken_at: datetime, number: int) -> None:
    head, told = (record["scheme"], number), (taken_at, record["author"], record["reason"])
    for entry in record["entries"]:
        valid = _span(entry, "valid_from", "valid_to")
        rows["code_map"].append((*head, entry["raw_code"], entry["canonical_code"], *valid, *told))


def _pupil_aliases(rows: Rows, record: Mapping[str, Any], taken_at: datetime, number: int) -> None:
    # A version without aliases is a version too: without its row, what was said before would stand.
    undone = {"to_pupil_id": 0, "kind": "undo", "urn": None, "source": None, "first_day": None, "last_day": None}
    told = (record["author"], record["reason"], taken_at)
    for entry, one in enumerate(record["aliases"] or [undone]):
        about = (one["urn"] or 0, one["source"] or "", *_span(one), int(one["to_pupil_id"]), one["kind"])
        rows["pupil_alias"].append((int(record["pupil_id"]), number, entry, *about, *told))


def _span(record: Mapping[str, Any], first: str = "first_day", last: str = "last_day") -> tuple[date, date]:
    """Both days as the tables hold them: open ends by their sentinel, and nothing outside what a Date can say."""
    begins, ends = record[first] or OPEN_START, record[last] or OPEN_END
    return min(max(begins, OPEN_START), OPEN_END), min(max(ends, OPEN_START), OPEN_END)
