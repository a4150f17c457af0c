"""What a snapshot's coverage, differences and receipts must be, known from the estate's script alone.

A school in no trouble must have answered whole; whether in time or late is for the clock. What it said is what its MIS
held at the estate's hour (tick) at which it was served. What was known at a cut is the last answer that came in time at
it, or at any earlier cut: so the difference of two cuts is known here, code by code, without asking a table.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.estate.messages import UNKNOWN
from connectors.estate.script import code_maps
from rollcall.cli._difference import difference
from rollcall.cli.scenarios.ground import load

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.snapshots.record import Asked, CutRecord, Snapshot

__all__ = ["Judgement", "Told", "judge_strike"]

#: How a school in trouble may stand at a cut. With 500s for ever it fails, or is given up when the cut is short.
_MUST = {
    None: ("answered", "late"),
    "dies": ("answered", "late"),
    "refused": ("refused",),
    "failing": ("failed",),
    "broken": ("failed", "silent"),
    "silent": ("silent",),
    "slow": ("late",),
    "offline": ("failed", "silent"),
}

#: Pupil (row) and session -> code as `rollcall snapshot diff` writes it.
Standing = dict[tuple[int, str], str]


class Told(NamedTuple):
    """A page of a school's day went out: the MIS's id of the school, when, and the estate's hour by then."""

    school: str
    at: datetime
    tick: int


@dataclass
class Judgement:
    """What was compared, and what is wrong, a line each; no pupil is named. standing: marks that stand, by code."""

    compared: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    standing: Counter[str] = field(default_factory=Counter)

    def same(self, what: str, place: str, found: Any, wanted: Any) -> None:
        """Compare one thing."""
        self.compared[what] += 1
        if found != wanted:
            self.wrong.append(f"{what}, {place}: {found}, should be {wanted}")


class _Truth:
    """What each school's MIS holds at each tick, by record."""

    def __init__(self, estate: Estate, day: date) -> None:
        self._day = day
        self._codes = {
            (scheme, entry.raw_code): entry
            for scheme, entries in code_maps(estate.schools).items()
            for entry in entries
            if (entry.valid_from or date.min) <= day <= (entry.valid_to or date.max)
        }
        self._schemes = {school.urn: school.pulled_scheme for school in estate.schools}
        #: tick -> urn -> record id -> (pupil, session, raw code), of the day's sessions.
        self.held: list[dict[int, dict[str, tuple[int, str, str]]]] = []
        now: dict[int, dict[str, tuple[int, str, str]]] = defaultdict(dict)
        for changes in estate.script.changes:
            for change in changes:
                held = now[change.urn]
                if change.new is not None:
                    if change.new.period is None and change.new.session_date == day:
                        held[change.record_id] = (change.new.pupil, change.new.session, change.code or "")
                elif change.record_id in held and change.code is None:
                    del held[change.record_id]
                elif change.record_id in held:
                    pupil, session, _ = held[change.record_id]
                    held[change.record_id] = (pupil, session, change.code or "-")
            self.held.append({urn: dict(records) for urn, records in now.items()})

    def records(self, urn: int, tick: int | None) -> Mapping[str, tuple[int, str, str]]:
        """Record id -> (pupil, session, raw code); nothing where the school was never heard."""
        return {} if tick is None else self.held[tick].get(urn, {})

    def standing(self, urn: int, tick: int | None) -> Standing:
        """What stands of pupils whom somebody knows."""
        found: Standing = {}
        for pupil, session, raw in self.records(urn, tick).values():
            entry = self._codes.get((self._schemes[urn], raw))
            code = f"?{raw}" if entry is None else entry.canonical_code
            if pupil != UNKNOWN and code != "-":
                found[pupil, session] = code
        return found


def judge_strike(
    estate: Estate, client: Any, snapshot: Snapshot, troubles: Sequence[Mapping[str, str]], told: Sequence[Told]
) -> Judgement:
    """Compare a snapshot of the estate's first day. troubles: of each cut, kind by the MIS's id of the school.

    The last school of the estate has withdrawn its permission before the first cut.
    """
    judgement = Judgement()
    truth = _Truth(estate, snapshot.schedule.day)
    urns = {school.source_id: school.urn for school in estate.schools}
    withdrawn = estate.schools[-1].source_id
    judgement.same("not asked", f"{urns[withdrawn]}", [one for one in told if one.school == withdrawn], [])
    for record, trouble in zip(snapshot.cuts, troubles, strict=True):
        _coverage(judgement, record, trouble, set(urns) - {withdrawn}, snapshot)
    served = [_served(record, told) for record in snapshot.cuts]
    known: list[dict[str, int]] = []
    heard: dict[str, int] = {}
    for record, ticks in zip(snapshot.cuts, served, strict=True):
        in_time = {school for (_, school), one in record.schools.items() if one.outcome == "answered"}
        known.append({**heard, **{school: ticks[school] for school in ticks if school in in_time}})
        heard = {**heard, **ticks}
    for number in range(1, len(snapshot.cuts)):
        for before in range(number):
            _difference(judgement, client, snapshot, truth, urns, (before, number), known)
    _receipts(judgement, client, snapshot, truth, urns, served)
    _standing(judgement, client, snapshot.schedule.day, truth, {urns[school]: tick for school, tick in heard.items()})
    return judgement


def _coverage(
    judgement: Judgement, record: CutRecord, trouble: Mapping[str, str], schools: set[str], snapshot: Snapshot
) -> None:
    label, due = record.cut.label, snapshot.schedule.due(record.cut)
    judgement.same("schools asked", label, {school for _, school in record.schools}, schools)
    for (_, school), one in record.schools.items():
        place, kind = f"{label} {one.urn} ({trouble.get(school, 'in no trouble')})", trouble.get(school)
        wanted = one.outcome if one.outcome in _MUST[kind] else " or ".join(_MUST[kind])
        judgement.same("coverage", place, one.outcome, wanted)
        if one.has_answered:
            in_time = one.ended_at is not None and one.ended_at <= due
            judgement.same("in time", place, one.outcome, "answered" if in_time else "late")


def _served(record: CutRecord, told: Sequence[Told]) -> dict[str, int]:
    """School -> the hour whose marks its whole answer at this cut held."""
    pages: dict[str, list[Told]] = defaultdict(list)
    for page in told:
        pages[page.school].append(page)
    return {
        school: max((page.at, page.tick) for page in pages[school] if page.at <= _end(one))[1]
        for (_, school), one in record.schools.items()
        if one.has_answered
    }


def _end(one: Asked) -> datetime:
    assert one.ended_at is not None  # it has answered
    return one.ended_at


def _difference(
    judgement: Judgement, client: Any, snapshot: Snapshot, truth: _Truth, urns: Mapping[str, int],
    cuts: tuple[int, int], known: Sequence[Mapping[str, int]],
) -> None:  # fmt: skip
    first, second = (snapshot.cuts[number].cut for number in cuts)
    found = difference(client, snapshot, first, second)
    place = f"{first.label} to {second.label}"
    answered = [{one.urn for one in snapshot.cuts[number].schools.values() if one.has_answered} for number in cuts]
    wanted: Counter[tuple[int, str, str, str]] = Counter()
    for school, urn in urns.items():
        if urn not in answered[0] | answered[1]:
            continue  # it gave a page to neither: what it said in between is no difference of these two
        before, after = (truth.standing(urn, known[number].get(school)) for number in cuts)
        for key in before.keys() | after.keys():
            if before.get(key) != after.get(key):
                wanted[urn, key[1], before.get(key, ""), after.get(key, "")] += 1
    got = Counter({(one["urn"], one["session"], one["before"], one["after"]): one["marks"] for one in found["changes"]})
    judgement.same("final", place, found["waiting"], [])
    for what in sorted(wanted.keys() | got.keys()):
        judgement.same("differences", f"{place} {what}", got[what], wanted[what])
    only = [[one["urn"] for one in schools] for schools in found["answered_only"]]
    judgement.same(
        "answered at one only", place, only, [sorted(answered[0] - answered[1]), sorted(answered[1] - answered[0])]
    )


def _receipts(
    judgement: Judgement, client: Any, snapshot: Snapshot, truth: _Truth, urns: Mapping[str, int],
    served: Sequence[Mapping[str, int]],
) -> None:  # fmt: skip
    """New, changed and deleted records, and no others, came into the history; what is said again stands in the receipts
    of the cut. Of a school that was asked for changes that is all, or little; of a whole day it is the rest."""
    rows = client.query(load("strike_receipts")).result_rows
    receipts = {
        (label, urn): (accepted, unchanged > 0, quarantined > 0)
        for label, urn, accepted, unchanged, quarantined in rows
    }
    last: dict[str, int] = {}
    for record, ticks in zip(snapshot.cuts, served, strict=True):
        for school, tick in ticks.items():
            urn = urns[school]
            now, before = truth.records(urn, tick), truth.records(urn, last.get(school))
            known = {one: said for one, said in now.items() if said[0] != UNKNOWN}
            gone = {one for one, said in before.items() if said[0] != UNKNOWN} - now.keys()
            news = sum(before.get(one) != said for one, said in known.items())
            asked = record.schools["wonde", school]
            wanted = (news + len(gone), len(known) > news, len(known) < len(now))
            label = snapshot.schedule.label(record.cut)
            found = receipts.get((label, urn))
            judgement.same("records of the day", f"{label} {urn}", asked.held, len(now))
            if asked.only_changes:
                judgement.same("pulled for changes", f"{label} {urn}", len(gone | known.keys()) >= asked.marks, True)
                found = found and (found[0], *wanted[1:])
            else:
                judgement.same("pulled whole", f"{label} {urn}", asked.marks, len(now))
                found = _but_repeated(found, wanted)
            judgement.same("receipts", f"{label} {urn}", found, wanted)
            last[school] = tick


def _standing(judgement: Judgement, client: Any, day: date, truth: _Truth, heard: Mapping[int, int]) -> None:
    """Of every school stands what it said last, and of one that was never heard nothing."""
    rows = client.query(load("strike_standing"), parameters={"day": day}).result_rows
    found = Counter({(urn, session, code): marks for urn, session, code, marks in rows})
    wanted = Counter(
        (urn, session, code) for urn, tick in heard.items() for (_, session), code in truth.standing(urn, tick).items()
    )
    for what in sorted(wanted.keys() | found.keys()):
        judgement.same("standing", f"{what}", found[what], wanted[what])
        judgement.standing[what[2]] += found[what]


def _but_repeated(found: Any, wanted: tuple[int, bool, bool]) -> Any:
    """A school that was asked twice at a cut (kill -9) says everything again: unchanged, which is no difference."""
    return (found[0], wanted[1], found[2]) if found is not None and found[1] and not wanted[1] else found
