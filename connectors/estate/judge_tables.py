"""Each table against the reference model. Differences are named by place or school, never by pupil."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from connectors.estate.judge_ledger import CurrentKey, Expected, judge_ledger
from connectors.estate.marks import Key, Outcome, Place
from connectors.estate.pupils import UPN_SHARED, year_name
from connectors.estate.topic_log import Logged
from connectors.estate.verdict import Finding

if TYPE_CHECKING:
    from connectors.estate.estate import Estate

__all__ = ["Expected", "judge_tables"]

#: Phases whose pupils aged 5 to 15 count in the headline (rule 14).
_HEADLINE = ("Primary", "Secondary", "Special")


@dataclass
class _Tables:
    """Rows of every table, and who is who in them."""

    estate: Estate
    client: Any
    expected: Expected
    #: (urn, pupil_id) -> pupil, from the crosswalk.
    pupil_of: dict[tuple[int, int], Hashable]
    #: event_id -> place, from mark_event.
    place_of: dict[int, Place]

    def rows(self, table: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        sql = (resources.files("connectors.estate") / "sql" / f"judge_{table}.sql").read_text(encoding="utf-8")
        settings = {"output_format_arrow_string_as_string": 1, "output_format_arrow_low_cardinality_as_dictionary": 0}
        found = self.client.query_arrow(sql, parameters=parameters or None, settings=settings)
        names = [str(name) for name in found.column_names]
        columns = [[_text(value) for value in column] if _is_bytes(column) else column for column in _lists(found)]
        for row in zip(*columns, strict=True):
            yield dict(zip(names, row, strict=True))


def _lists(found: Any) -> list[list[Any]]:
    return [column.to_pylist() for column in found.columns]


def _is_bytes(column: list[Any]) -> bool:
    """Whether a text column came as bytes: not every server knows the setting that makes it text."""
    return bool(column) and isinstance(column[0], bytes)


def judge_tables(estate: Estate, client: Any, expected: Expected, group: str) -> dict[str, Finding]:
    """A finding for each table."""
    tables = _Tables(estate, client, expected, {}, {})
    findings = {"crosswalk": _crosswalk(tables), "mark_event": _mark_event(tables)}
    findings["mark_assertion"] = _latest_of_records(tables, "mark_assertion", expected.model.assertions())
    findings["period_current"] = _latest_of_records(tables, "period_current", expected.model.lessons())
    findings["mark_current"], scopes = _mark_current(tables)
    findings["school_session"] = _school_session(tables, scopes)
    findings["quarantine"] = _quarantine(tables)
    findings["quarantine_message"] = _quarantine_message(tables)
    findings["register_receipt"] = _register_receipt(tables)
    findings["ledger"] = judge_ledger(tables.rows("ledger", group=group), expected)
    return findings


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _crosswalk(tables: _Tables) -> Finding:
    """Every reference has a pupil_id, each pupil one at a school, no two pupils one; at two schools only by UPN."""
    finding = Finding()
    known = tables.expected.model.world.pupils
    ids: dict[tuple[int, Hashable], set[int]] = defaultdict(set)
    seen = set()
    for row in tables.rows("crosswalk"):
        finding.rows += 1
        name = (row["urn"], row["scheme"], row["ref"])
        seen.add(name)
        if name not in known:
            finding.add("duplicated", f"school {row['urn']}: a reference ({row['scheme']}) nobody published")
            continue
        pupil = known[name].pupil
        if bool(row["ambiguous"]) != (pupil is None):
            finding.add("wrong", f"school {row['urn']}: ambiguous ({row['scheme']})")
        if pupil is not None:
            ids[row["urn"], pupil].add(row["pupil_id"])
            if tables.pupil_of.setdefault((row["urn"], row["pupil_id"]), pupil) != pupil:
                finding.add("wrong", f"school {row['urn']}: two pupils share a pupil_id")
    for name in known.keys() - seen:
        finding.add("lost", f"school {name[0]}: a reference ({name[1]})")
    _one_id_each(tables, ids, finding)
    return finding


def _one_id_each(tables: _Tables, ids: Mapping[tuple[int, Hashable], set[int]], finding: Finding) -> None:
    pupils = tables.estate.pupils
    held_by: dict[int, set[int]] = defaultdict(set)
    for (urn, pupil), given in ids.items():
        if len(given) > 1:
            finding.add("wrong", f"school {urn}: a pupil has {len(given)} pupil_ids")
        assert isinstance(pupil, int)
        # A pupil of two schools is one pupil by UPN; a shared UPN merges nobody (rule 5).
        own = pupil if pupil >= len(pupils) or pupils.flags[pupil] & UPN_SHARED else int(pupils.upn_of[pupil])
        for one in given:
            held_by[one].add(own)
    for holders in held_by.values():
        if len(holders) > 1:
            finding.add("wrong", f"{len(holders)} pupils of different schools share a pupil_id")


def _mark_event(tables: _Tables) -> Finding:
    finding = Finding()
    wanted = {place: one for place, one in tables.expected.model.outcomes.items() if one.outcome == "accepted"}
    seen: set[Place] = set()
    for row in tables.rows("mark_event"):
        finding.rows += 1
        place = Place(row["topic"], row["partition"], row["offset"], row["item"])
        tables.place_of[row["event_id"]] = place
        outcome = wanted.get(place)
        if outcome is None or place in seen:
            finding.add("duplicated", f"{tuple(place)} is {'there twice' if place in seen else 'not expected'}")
            continue
        seen.add(place)
        differing = _differing(
            _event_said(outcome), {**row, "pupil": tables.pupil_of.get((row["urn"], row["pupil_id"]))}
        )
        if differing:
            finding.add("wrong", f"{tuple(place)} differs in {', '.join(differing)}")
    for place in wanted.keys() - seen:
        finding.add("lost", f"{tuple(place)}")
    return finding


def _event_said(outcome: Outcome) -> dict[str, Any]:
    """Columns of mark_event that an outcome decides. A deletion says nothing but that its record is gone."""
    key = outcome.key
    assert key is not None
    said: dict[str, Any] = {
        "urn": key.urn,
        "pupil": key.pupil,
        "session_date": key.session_date,
        "session": key.session,
        "period": key.period,
        "source": key.source,
        "record_id": key.record_id,
        "deleted": outcome.deleted,
        "superseded": outcome.superseded,
        "asserted_ms": outcome.asserted_ms,
        "version": outcome.version,
    }
    if not outcome.deleted:
        said |= {
            "code_scheme": outcome.code_scheme,
            "raw_code": outcome.raw_code,
            "canonical_code": outcome.canonical_code,
            "minutes_late": outcome.minutes_late,
            "exceptions": outcome.exceptions,
        }
    return said


def _differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    return [name for name, value in wanted.items() if found[name] != value]


def _latest_of_records(tables: _Tables, table: str, wanted: Mapping[Key, tuple[Place, Outcome]]) -> Finding:
    finding = Finding()
    seen = set()
    for row in tables.rows(table):
        finding.rows += 1
        pupil = tables.pupil_of.get((row["urn"], row["pupil_id"]))
        names = ("session_date", "session", "period", "source", "record_id")
        key = Key(row["urn"], pupil, *(row[name] for name in names))
        about = f"school {key[0]}, {key[2]} {key[3]}"
        if key not in wanted or key in seen:
            finding.add("duplicated", f"{about}: {'there twice' if key in seen else 'not expected'}")
            continue
        seen.add(key)
        place, outcome = wanted[key]
        if (row["version"], bool(row["deleted"]), tables.place_of.get(row["event_id"])) != (
            outcome.version,
            outcome.deleted,
            place,
        ):
            finding.add("wrong", f"{about}: not the delivery {tuple(place)}")
    for key in wanted.keys() - seen:
        finding.add("lost", f"school {key[0]}, {key[2]} {key[3]}")
    return finding


def _mark_current(tables: _Tables) -> tuple[Finding, Counter[tuple[Any, ...]]]:
    """Also counts the marks that must stand by what school_session groups them by."""
    finding = Finding()
    wanted = tables.expected.current
    scopes: Counter[tuple[Any, ...]] = Counter()
    seen = set()
    for row in tables.rows("mark_current"):
        finding.rows += 1
        pupil = tables.pupil_of.get((row["urn"], row["pupil_id"]))
        key = (row["urn"], pupil, row["session_date"], row["session"])
        about = f"school {key[0]}, {key[2]} {key[3]}"
        current = wanted.get(key)
        if current is None or key in seen:
            finding.add("duplicated", f"{about}: {'there twice' if key in seen else 'nothing should stand'}")
            continue
        seen.add(key)
        said = current._asdict()
        place = said.pop("place")
        differing = _differing(said, row)
        if tables.place_of.get(row["event_id"]) != place:
            differing.append("event_id")
        scope = _scope(tables, key)
        if scope is None:  # not on roll that day: whatever the roster last said
            scope = (bool(row["in_scope"]), row["year_group"])
        elif scope != (bool(row["in_scope"]), row["year_group"]):
            differing.append("in_scope or year_group")
        scopes[key[0], key[2], key[3], current.canonical_code, *scope] += 1
        if differing:
            finding.add("wrong", f"{about}: differs in {', '.join(differing)}")
    for key in wanted.keys() - seen:
        finding.add("lost", f"school {key[0]}, {key[2]} {key[3]}")
        scopes[key[0], key[2], key[3], wanted[key].canonical_code, *(_scope(tables, key) or (False, ""))] += 1
    return finding, scopes


def _scope(tables: _Tables, key: CurrentKey) -> tuple[bool, str] | None:
    """Whether a pupil counts in the headline (rule 14), and the year group; None when not on roll on the day."""
    urn, pupil, day, _ = key
    if not tables.expected.model.world.on_roll(urn, pupil, day):
        return None
    assert isinstance(pupil, int)
    year = int(tables.estate.pupils.year[pupil])
    # Year 1 is aged 5 and Year 11 aged 15 at 31 August before the academic year; Reception is aged 4.
    return tables.estate.by_urn[urn].phase in _HEADLINE and 1 <= year <= 11, year_name(year)


def _school_session(tables: _Tables, wanted: Counter[tuple[Any, ...]]) -> Finding:
    finding = Finding()
    found: Counter[tuple[Any, ...]] = Counter()
    for row in tables.rows("school_session"):
        finding.rows += 1
        key = (row["urn"], row["session_date"], row["session"], row["canonical_code"])
        found[*key, bool(row["in_scope"]), row["year_group"]] += row["marks"]
    for key in wanted.keys() | found.keys():
        if wanted[key] != found[key]:
            finding.add("wrong", f"school {key[0]}, {key[1]} {key[2]}: {found[key]} marks instead of {wanted[key]}")
    return finding


def _compare(finding: Finding, wanted: Mapping[Any, Any], found: Iterable[tuple[Any, Any]]) -> Finding:
    seen = set()
    for place, said in found:
        finding.rows += 1
        if place not in wanted or place in seen:
            finding.add("duplicated", f"{tuple(place)} is {'there twice' if place in seen else 'not expected'}")
            continue
        seen.add(place)
        if said != wanted[place]:
            finding.add("wrong", f"{tuple(place)}")
    for place in wanted.keys() - seen:
        finding.add("lost", f"{tuple(place)}")
    return finding


def _quarantine(tables: _Tables) -> Finding:
    outcomes = tables.expected.model.outcomes
    wanted = {place: one.reason for place, one in outcomes.items() if one.outcome == "quarantined"}
    found = (
        (Place(row["topic"], row["partition"], row["offset"], row["item"]), row["reason"])
        for row in tables.rows("quarantine")
    )
    return _compare(Finding(), wanted, found)


def _quarantine_message(tables: _Tables) -> Finding:
    outcomes = tables.expected.model.outcomes
    refused = {place[:3] for place, one in outcomes.items() if one.outcome == "quarantined"}
    wanted = {
        message.arrival[:3]: (message.value is None, hashlib.sha256(message.value or b"").hexdigest())
        for message in tables.expected.messages
        if message.arrival[:3] in refused and _brings_bytes(message, tables.expected)
    }
    found = (
        ((row["topic"], row["partition"], row["offset"]), (bool(row["is_null"]), row["digest"]))
        for row in tables.rows("quarantine_message")
    )
    return _compare(Finding(), wanted, found)


def _brings_bytes(message: Logged, expected: Expected) -> bool:
    """What is refused again has its bytes there already; marks of a message that could not be read before have not."""
    if message.again is None:
        return True
    return message.again.items == (-1,) and message.arrival[:3] in expected.model.receipts


def _register_receipt(tables: _Tables) -> Finding:
    names = ("urn", "source", "submission_id", "marks", "accepted", "unchanged", "quarantined")
    found = (
        ((row["topic"], row["partition"], row["offset"]), tuple(row[name] for name in names))
        for row in tables.rows("register_receipt")
    )
    return _compare(Finding(), tables.expected.model.receipts, found)
