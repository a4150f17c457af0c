"""What a snapshot's coverage, differences and receipts must be, known from the estate's script alone.

A school in no trouble must have answered whole; whether in time or late is for the clock. What was known of it at a cut
is what its MIS held when it last answered in time; of one that was late or broke off, one of several things
(`strike_known`). So the difference of two cuts is known here, code by code, without asking a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from connectors.estate.messages import UNKNOWN
from rollcall.cli._difference import difference
from rollcall.cli.scenarios.ground import load
from rollcall.cli.scenarios.strike_known import Knowable, Records, Told, Truth, knowable
from sinks import snapshots

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.snapshots.record import Asked, CutRecord, Snapshot

__all__ = ["Judgement", "judge_strike"]

#: How a school in trouble may stand at a cut. With 500s, or silence, for ever it fails in the end (five minutes of
#: silence are eight tries), or is given up when the cut is shorter.
_MUST = {
    None: ("answered", "late"),
    "dies": ("answered", "late"),
    "refused": ("refused",),
    "failing": ("failed",),
    "broken": ("failed", "silent"),
    "halting": ("failed",),
    "silent": ("failed", "silent"),
    "stalling": ("failed", "silent"),
    "slow": ("late",),
    "offline": ("failed", "silent"),
}


#: What was received of a school for a cut: marks accepted; whether any were unchanged; whether any are in quarantine.
Receipt = tuple[int, bool, bool]


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


def judge_strike(
    estate: Estate, client: Any, snapshot: Snapshot, troubles: Sequence[Mapping[str, str]], told: Sequence[Told]
) -> Judgement:
    """Compare a snapshot of the estate's first day. troubles: of each cut, kind by the MIS's id of the school.

    The last school of the estate has withdrawn its permission before the first cut.
    """
    judgement = Judgement()
    truth = Truth(estate, snapshot.schedule.day)
    urns = {school.source_id: school.urn for school in estate.schools}
    withdrawn = estate.schools[-1].source_id
    judgement.same("not asked", f"{urns[withdrawn]}", [one for one in told if one.school == withdrawn], [])
    for record, trouble in zip(snapshot.cuts, troubles, strict=True):
        _coverage(judgement, record, trouble, set(urns) - {withdrawn}, snapshot)
    known_at = [
        snapshots.known(client, snapshot.schedule.label(record.cut), snapshot.end(record)).at
        for record in snapshot.cuts
    ]
    of = knowable(truth, snapshot, told, known_at, urns)
    for number in range(1, len(snapshot.cuts)):
        for before in range(number):
            _difference(judgement, client, snapshot, truth, urns, (before, number), of)
    _receipts(judgement, client, snapshot, urns, of)
    _standing(judgement, client, snapshot.schedule.day, truth, urns, of)
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


def _difference(
    judgement: Judgement, client: Any, snapshot: Snapshot, truth: Truth, urns: Mapping[str, int],
    cuts: tuple[int, int], of: Mapping[str, Knowable],
) -> None:  # fmt: skip
    first, second = (snapshot.cuts[number].cut for number in cuts)
    found = difference(client, snapshot, first, second)
    place = f"{first.label} to {second.label}"
    judgement.same("final", place, found["waiting"], [])
    got: dict[int, Counter[tuple[str, str, str]]] = {}
    for one in found["changes"]:
        got.setdefault(one["urn"], Counter())[one["session"], one["before"], one["after"]] = one["marks"]
    for school, urn in urns.items():
        one = of[school]
        wanted: list[Counter[tuple[str, str, str]]] = []
        whole = any(one.whole[number] is not None for number in cuts)
        if whole or any(one.sent[number] for number in cuts):
            states = ([truth.standing(urn, records) for records in one.at[number]] for number in cuts)
            earlier, later = states
            wanted = [_changes(before, after) for before in earlier for after in later]
        if not whole:  # it may have given a page to neither: what it said in between is no difference of these two
            wanted.append(Counter())
        _counts(judgement, "differences", f"{place} {urn}", got.pop(urn, Counter()), wanted)
    judgement.same("differences", f"{place}, other schools", sorted(got), [])
    answered = [{one.urn for one in snapshot.cuts[number].schools.values() if one.has_answered} for number in cuts]
    only = [[one["urn"] for one in schools] for schools in found["answered_only"]]
    judgement.same(
        "answered at one only", place, only, [sorted(answered[0] - answered[1]), sorted(answered[1] - answered[0])]
    )


def _changes(
    before: Mapping[tuple[int, str], str], after: Mapping[tuple[int, str], str]
) -> Counter[tuple[str, str, str]]:
    """Session, code before and code after -> marks."""
    return Counter(
        (key[1], before.get(key, ""), after.get(key, ""))
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    )


def _counts(judgement: Judgement, what: str, place: str, found: Counter[Any], any_of: Sequence[Counter[Any]]) -> None:
    """Compare counts of a school with what they must be, or with that of what they may be which is nearest."""
    wanted = min(any_of, key=lambda one: sum(one[key] != found[key] for key in one.keys() | found.keys()))
    for key in sorted(wanted.keys() | found.keys()):
        judgement.same(what, f"{place} {key}", found[key], wanted[key])


def _receipts(
    judgement: Judgement, client: Any, snapshot: Snapshot, urns: Mapping[str, int], of: Mapping[str, Knowable]
) -> None:
    """New, changed and deleted records, and no others, came into the history; what is said again stands in the receipts
    of the cut. Of a school that was asked for changes that is all, or little; of a whole day it is the rest. Of one
    that broke off it is as much as Kafka has acknowledged, and of one that sent nothing it is nothing."""
    rows = client.query(load("strike_receipts")).result_rows
    receipts = {
        (label, urn): (accepted, unchanged > 0, quarantined > 0)
        for label, urn, accepted, unchanged, quarantined in rows
    }
    for number, record in enumerate(snapshot.cuts):
        label = snapshot.schedule.label(record.cut)
        for (_, school), asked in record.schools.items():
            place, found, one = f"{label} {urns[school]}", receipts.get((label, urns[school])), of[school]
            judgement.same("whole answers", place, asked.has_answered, one.whole[number] is not None)
            if one.whole[number] is None:
                _in_part(judgement, place, asked, one, number, found)
            else:
                _whole(judgement, place, asked, one, number, found)


def _in_part(judgement: Judgement, place: str, asked: Asked, one: Knowable, number: int, found: Receipt | None) -> None:
    """What Kafka has acknowledged is in the history, of what the MIS sent, and nothing else."""
    judgement.same("pages of no whole answer", place, asked.pages <= one.sent[number], True)
    if not one.sent[number]:
        judgement.same("nothing received", place, found, None)
    elif asked.pages or found is not None:
        news = {
            _new(before, now) + _gone(before, now) for before in one.before(number) for now in one.afterwards[number]
        }
        accepted = None if found is None else found[0]
        judgement.same("received in part", place, accepted, accepted if accepted in news else min(news))


def _whole(judgement: Judgement, place: str, asked: Asked, one: Knowable, number: int, found: Receipt | None) -> None:
    (now,) = one.afterwards[number]
    known = sum(said[0] != UNKNOWN for said in now.values())
    judgement.same("records of the day", place, asked.held, len(now))
    if not asked.only_changes:
        judgement.same("pulled whole", place, asked.marks, len(now))
    wanted: list[Receipt] = []
    for before in one.before(number):
        if asked.only_changes:
            judgement.same("pulled for changes", place, known + _gone(before, now) >= asked.marks, True)
        wanted.append((_new(before, now) + _gone(before, now), known > _new(before, now), known < len(now)))
    in_part = one.in_part_before(number)
    passes = [it for it in wanted if found is not None and _passes(found, it, asked, in_part_before=in_part)]
    judgement.same("receipts", place, found, found if passes else wanted[0])


def _new(before: Records, now: Records) -> int:
    """Records that are new or changed, of pupils whom somebody knows."""
    return sum(said[0] != UNKNOWN and before.get(record) != said for record, said in now.items())


def _gone(before: Records, now: Records) -> int:
    return sum(said[0] != UNKNOWN and record not in now for record, said in before.items())


def _passes(found: Receipt, wanted: Receipt, asked: Asked, *, in_part_before: bool) -> bool:
    """Accepted are so many and no others. Of who was asked for changes only, nothing else is told. It is said again,
    which is no difference, by who was asked twice (kill -9); and who broke off before may be told of deletions of what
    never came."""
    if asked.only_changes or found[0] != wanted[0]:
        return found[0] == wanted[0]
    return found[1] >= wanted[1] and (found[2] >= wanted[2] if in_part_before else found[2] == wanted[2])


def _standing(
    judgement: Judgement, client: Any, day: date, truth: Truth, urns: Mapping[str, int], of: Mapping[str, Knowable]
) -> None:
    """Of every school stands what it said last, and of one that was never heard nothing."""
    rows = client.query(load("strike_standing"), parameters={"day": day}).result_rows
    found: dict[int, Counter[tuple[str, str]]] = {}
    for urn, session, code, marks in rows:
        found.setdefault(urn, Counter())[session, code] = marks
        judgement.standing[code] += marks
    for school, urn in urns.items():
        wanted = [
            Counter((session, code) for (_, session), code in truth.standing(urn, records).items())
            for records in of[school].afterwards[-1]
        ]
        _counts(judgement, "standing", f"{urn}", found.pop(urn, Counter()), wanted)
    judgement.same("standing", "other schools", sorted(found), [])
