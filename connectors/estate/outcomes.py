"""The reference model: what must become of every mark, in plain Python over plain dicts.

Written from the rules alone and sharing no code with the worker, so that the two can disagree. Feed it the messages of
a topic's partition in their order (order between partitions does not matter, because one school's messages of a topic
lie in one partition); it gives each mark and deletion exactly one outcome, and the state that must stand in the end.

A mark's assertion key is (urn, pupil, session date, session, period, source, record id), its content (code scheme, raw
code, minutes late, amendment), its version `asserted ms << 20 | offset mod 2^20` (rule 6).

1. quarantined, with the first reason that applies: bad_session, bad_date, date_out_of_range, malformed_code,
   unknown_school, unknown_pupil or ambiguous_pupil, contradicts_itself (two marks of one message with equal keys and
   different content: all of them). A deletion: unknown_school, unknown_record; else it is
   judged like a mark whose content is "deleted".
2. unchanged: the second of two equal marks of one message; or the content in force, at a version not below it, from a
   complete message or at the same asserted time. In force is the latest accepted; being unchanged moves nothing.
3. accepted and superseded: older than a re-assertion of the content in force that was found unchanged.
4. accepted. An older one loses in the end; it is history all the same.

A replay is a message of the items that it names, judged as if it had arrived when it first did. What another replay of
the same items was not refused for is unchanged.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from connectors.estate.known import Known, World
from connectors.estate.marks import EVIDENCE, Again, Arrival, CurrentMark, Key, Outcome, Place, Receipt
from connectors.estate.messages import millis
from rollcall.domain.clock import london_date
from rollcall.domain.codes import BY_CODE, NO_MARK, PROVISIONAL, malformed, out_of_date
from rollcall.domain.findings import BIT

__all__ = ["FUTURE_BOUND_MS", "ReferenceModel", "feed"]

#: Rule 6: how far after its arrival a source may date a mark, in ms.
FUTURE_BOUND_MS = 300_000
#: Between sources with equally definite codes: the MIS, then registers.
_RANK = {"register": 1, "mis": 2}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_MS = 3_600_000


class _State(NamedTuple):
    version: int
    asserted_ms: int
    content: Hashable


class _Message(NamedTuple):
    arrival: Arrival
    urn: int
    source: str
    kind: str
    complete: bool
    scheme: str
    asserted_ms: int


@dataclass
class ReferenceModel:
    """Takes messages, keeps what must be. `outcomes` by place, `receipts` by (topic, partition, offset)."""

    world: World
    future_bound_ms: int = FUTURE_BOUND_MS
    #: First deliveries that were judged before the school's roster had come: nobody was known then.
    unheard: Collection[Place] = frozenset()
    outcomes: dict[Place, Outcome] = field(default_factory=dict)
    receipts: dict[tuple[str, int, int], Receipt] = field(default_factory=dict)
    _states: dict[Key, _State] = field(default_factory=dict)
    _reasserted: dict[Key, int] = field(default_factory=dict)
    #: (topic id, partition, offset, item) of what replays have brought in.
    _replayed: set[tuple[str, int, int, int]] = field(default_factory=set)
    _records: dict[tuple[int, str, str], tuple[Key, int]] = field(default_factory=dict)
    _assertions: dict[Key, tuple[Place, Outcome]] = field(default_factory=dict)
    _lessons: dict[Key, tuple[Place, Outcome]] = field(default_factory=dict)

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """A message that cannot be decoded, or whose key is not its URN, is quarantined whole."""
        self.outcomes[Place(*arrival[:3], -1)] = Outcome("quarantined", reason)

    def take(self, arrival: Arrival, record: Mapping[str, Any], again: Again | None = None) -> list[Outcome]:
        """Take a decoded message (as fastavro gives it); returns the outcomes of its marks, then of its deletions.

        again: it is a replay; then of the items it names alone.
        """
        register = "submission_id" in record
        said = record["submitted_at"] if register else record["taken_at"]
        first = arrival if again is None else Arrival(arrival.topic, again.partition, again.offset, again.timestamp_ms)
        message = _Message(
            first,
            record["urn"],
            record["source"],
            "kiosk" if arrival.topic == EVIDENCE else "register" if register else "mis",
            record["complete"],
            record["code_scheme"],
            millis(said),
        )
        amendments = {one["item"]: _amendment(one) for one in record.get("amendments", ())}
        meant = None if again is None or again.items == (-1,) else set(again.items)
        marks = [(item, mark) for item, mark in enumerate(record["marks"]) if meant is None or item in meant]
        judged: list[tuple[Outcome, Hashable]] = [
            self._place(message, record, mark, amendments.get(item), Place(*arrival[:3], item)) for item, mark in marks
        ]
        results = self._judge(message, judged)
        for at, (item, _) in enumerate(marks):
            results[at] = self._once(again, item, results[at])
            self._keep(Place(*arrival[:3], item), results[at])
        gone: set[tuple[Key, int]] = set()
        for item, record_id in enumerate(record.get("deletions", ()), len(record["marks"])):
            if meant is None or item in meant:
                outcome = self._once(again, item, self._delete(message, record_id, gone))
                self._keep(Place(*arrival[:3], item), outcome)
                results.append(outcome)
        counted = [outcome.outcome for outcome in results]
        self.receipts[arrival[:3]] = Receipt(
            message.urn,
            message.source,
            record["submission_id"] if register else record["pull_id"],
            len(results),
            *(counted.count(name) for name in ("accepted", "unchanged", "quarantined")),
        )
        return results

    def _once(self, again: Again | None, item: int, outcome: Outcome) -> Outcome:
        """The outcome of an item, unchanged when another replay has brought it in."""
        if again is None or outcome.outcome == "quarantined":
            return outcome
        entry = (*again[:3], item)
        if entry in self._replayed:
            return outcome._replace(outcome="unchanged")
        self._replayed.add(entry)
        return outcome

    def assertions(self) -> Mapping[Key, tuple[Place, Outcome]]:
        """The latest assertion of each key that is of a session, not superseded: what mark_assertion must hold."""
        return self._assertions

    def lessons(self) -> Mapping[Key, tuple[Place, Outcome]]:
        """The same of each key that is of a lesson (rule 7): what period_current must hold."""
        return self._lessons

    def current(self) -> dict[tuple[int, Hashable, date, str], CurrentMark]:
        """The mark that must stand by (urn, pupil, session date, session); nothing stands at keys that are absent.

        Withdrawn and deleted assertions do not stand (rule 3); within a source the latest wins, between sources a
        definite code before N and unmapped ones, then MIS before register, then the later; of one millisecond a
        definite code, then by a hash of source and record id. Before all that a definite code of a school's new system
        (rule 10). Kiosks decide nothing (rule 17), and no mark of a day on which its school was not open (rule 12).
        Where nothing stands of a morning, the best of the school's lessons does, if it has such a rule (rule 7).
        """
        current = {
            (urn, pupil, day, session): _winner(sources, self.world.systems.get(urn, ""))
            for (urn, pupil, day, session, _), sources in self._standing(self._assertions).items()
        }
        lessons: dict[tuple[int, Hashable, date, str], dict[str, CurrentMark]] = defaultdict(dict)
        for (urn, pupil, day, session, period), sources in self._standing(self._lessons).items():
            if session == "AM" and period in self.world.windows.get(urn, ()):
                lessons[urn, pupil, day, session][period] = _winner(sources)._replace(sources=1)
        return {
            key: _best(marks, self.world.windows[key[0]]) for key, marks in lessons.items() if key not in current
        } | current

    def _standing(
        self, assertions: Mapping[Key, tuple[Place, Outcome]]
    ) -> Mapping[tuple[int, Hashable, date, str, str], dict[str, tuple[Place, Outcome]]]:
        """By (urn, pupil for whom it counts, session date, session, period): the latest of each source that stands."""
        standing: dict[tuple[int, Hashable, date, str, str], dict[str, tuple[Place, Outcome]]] = defaultdict(dict)
        for key, (place, outcome) in assertions.items():
            if outcome.deleted or outcome.canonical_code == NO_MARK or outcome.kind == "kiosk":
                continue
            if not self.world.existed(key.urn, key.session_date):
                continue
            pupil = self.world.counts_for(key.urn, key.pupil, key.session_date)
            sources = standing[key.urn, pupil, key.session_date, key.session, key.period]
            held = sources.get(key.source)
            if held is None or _latest(held) < _latest((place, outcome)):
                sources[key.source] = (place, outcome)
        return standing

    def _place(
        self, message: _Message, record: Mapping[str, Any], mark: Mapping[str, Any], amendment: Hashable, at: Place
    ) -> tuple[Outcome, Hashable]:
        """A mark before it is compared with others: refused, or accepted with its exceptions; and its content."""
        day: date = mark["session_date"] if message.kind == "mis" else record["session_date"]
        session: str = mark["session"] if message.kind == "mis" else record["session"]
        period = (mark["period"] if message.kind == "mis" else record["period"]) or ""
        modified = mark.get("modified_at")
        said = message.asserted_ms if modified is None else millis(modified)
        latest = message.arrival.timestamp_ms + self.future_bound_ms
        asserted = max(0, min(said, latest))
        raw: str = mark["code"]
        canonical = self.world.canonical(message.scheme, raw, day)
        known = self._known(message.urn, mark, at)
        reason = self._refusal(message.urn, day, session, raw, canonical, known)
        if reason:
            return Outcome("quarantined", reason), None
        assert known is not None
        # Each sign-in of a kiosk stands for itself.
        record_id = record["submission_id"] if message.kind == "kiosk" else mark.get("record_id", "")
        key = Key(message.urn, known.pupil, day, session, period, message.source, record_id)
        minutes = -1 if mark["minutes_late"] is None else mark["minutes_late"]
        found = set(known.findings) | self._findings(key, canonical, asserted)
        if said > latest:
            found.add("clock_ahead")
        outcome = Outcome(
            outcome="accepted",
            exceptions=sum(BIT[name] for name in found),
            key=key,
            kind=message.kind,
            code_scheme=message.scheme,
            raw_code=raw,
            canonical_code=canonical,
            minutes_late=minutes,
            asserted_ms=asserted,
            version=asserted << 20 | message.arrival.offset & 0xFFFFF,
        )
        return outcome, (message.scheme, raw, minutes, amendment)

    def _known(self, urn: int, mark: Mapping[str, Any], at: Place) -> Known | None:
        """Whom the mark means, by the roster that was there when what stands at the place was judged."""
        known = self.world.pupils.get((urn, mark["pupil_scheme"], mark["pupil_ref"]))
        if known is None or at in self.unheard or not self.world.heard(urn, known.pupil, *at[:3]):
            return None
        return known

    def _refusal(self, urn: int, day: date, session: str, raw: str, canonical: str, known: Known | None) -> str:
        if session not in ("AM", "PM"):
            return "bad_session"
        if not 1970 <= day.year <= 2149:
            return "bad_date"
        if not self.world.loaded(day):
            return "date_out_of_range"
        if not canonical and malformed(raw):
            return "malformed_code"
        if urn not in self.world.schools:
            return "unknown_school"
        if known is None:
            return "unknown_pupil"
        return "ambiguous_pupil" if known.pupil is None else ""

    def _findings(self, key: Key, canonical: str, asserted_ms: int) -> set[str]:
        """Exceptions of rules 1, 2, 4, 12. Z needs no enrolment and # no open day; a withdrawal is no mark at all."""
        found = set()
        day = key.session_date
        if canonical != "Z" and not self.world.on_roll(key.urn, key.pupil, day):
            found.add("not_on_roll")
        if not self.world.existed(key.urn, day):
            if canonical != NO_MARK:
                found.add("school_not_open")
        elif canonical not in ("#", NO_MARK) and not self.world.open_on(key.urn, day):
            found.add("outside_calendar")
        if canonical != NO_MARK and day > _london_day(asserted_ms // _HOUR_MS):
            found.add("dated_ahead")
        if (canonical, key.session) in (("/", "PM"), ("\\", "AM")):
            found.add("code_session_mismatch")
        if not canonical:
            found.add("unmapped_code")
        if out_of_date(canonical, day):
            found.add("code_out_of_date")
        return found

    def _judge(self, message: _Message, judged: Sequence[tuple[Outcome, Hashable]]) -> list[Outcome]:
        """Compare the marks of one message with each other, then each with what is known.

        Marks of one key that carry different times of their own are told apart by them, as if sent one by one.
        """
        said: dict[tuple[Key, int], set[Hashable]] = defaultdict(set)
        for outcome, content in judged:
            if outcome.key is not None:
                said[outcome.key, outcome.asserted_ms].add(content)
        seen: set[tuple[Key, int]] = set()
        results = []
        for outcome, content in judged:
            if outcome.key is None:
                results.append(outcome)
            elif len(said[outcome.key, outcome.asserted_ms]) > 1:
                results.append(outcome._replace(outcome="quarantined", reason="contradicts_itself", exceptions=0))
            else:
                results.append(self._against_the_known(message, outcome, outcome.key, content, seen))
        return results

    def _against_the_known(
        self, message: _Message, outcome: Outcome, key: Key, content: Hashable, seen: set[tuple[Key, int]]
    ) -> Outcome:
        """Unchanged, superseded or simply accepted. The state is the latest that was accepted and not superseded; a
        re-assertion leaves it alone and is remembered beside it."""
        again = (key, outcome.asserted_ms) in seen
        seen.add((key, outcome.asserted_ms))
        state = self._states.get(key)
        if state is None:
            self._states[key] = _State(outcome.version, outcome.asserted_ms, content)
            return outcome
        same = state.content == content
        confirmed = message.complete or outcome.asserted_ms == state.asserted_ms
        if again or (same and outcome.version >= state.version and confirmed):
            if same:
                self._reasserted[key] = max(outcome.version, self._reasserted.get(key, 0))
            return outcome._replace(outcome="unchanged")
        if outcome.version < self._reasserted.get(key, 0):
            return outcome._replace(superseded=True)
        if outcome.version > state.version:
            self._states[key] = _State(outcome.version, outcome.asserted_ms, content)
        return outcome

    def _delete(self, message: _Message, record_id: str, seen: set[tuple[Key, int]]) -> Outcome:
        if message.urn not in self.world.schools:
            return Outcome("quarantined", "unknown_school", deleted=True)
        held = self._records.get((message.urn, message.source, record_id))
        if held is None:
            return Outcome("quarantined", "unknown_record", deleted=True)
        key = held[0]
        latest = message.arrival.timestamp_ms + self.future_bound_ms
        asserted = max(0, min(message.asserted_ms, latest))
        version = asserted << 20 | message.arrival.offset & 0xFFFFF
        outcome = Outcome(
            outcome="accepted", deleted=True, key=key, kind=message.kind, asserted_ms=asserted, version=version
        )
        return self._against_the_known(message, outcome, key, "deleted", seen)

    def _keep(self, place: Place, outcome: Outcome) -> None:
        self.outcomes[place] = outcome
        key = outcome.key
        if outcome.outcome != "accepted" or key is None:
            return
        record = (key.urn, key.source, key.record_id)
        if key.record_id and (record not in self._records or self._records[record][1] <= outcome.version):
            self._records[record] = (key, outcome.version)
        if outcome.superseded:
            return
        latest = self._lessons if key.period else self._assertions
        held = latest.get(key)
        if held is None or held[1].version <= outcome.version:
            latest[key] = (place, outcome)


def _latest(held: tuple[Place, Outcome]) -> tuple[int, bool, int]:
    """Of several records the latest, by the millisecond; of one, a definite code; then by a hash of source and record
    id.
    """
    key = held[1].key
    assert key is not None
    digest = hashlib.md5(f"{key.source}\n{key.record_id}".encode(), usedforsecurity=False).digest()
    return held[1].version >> 20, _definite(held[1]), int.from_bytes(digest[:8], "big") >> 2


def _definite(outcome: Outcome) -> bool:
    return outcome.canonical_code not in ("", PROVISIONAL)


def _best(marks: Mapping[str, CurrentMark], window: Sequence[str]) -> CurrentMark:
    """The best of a session's lessons (rule 7): who was seen in one of them was in school. Of two codes of a kind the
    one that stands first in the national list, of equal ones that of the first lesson.
    """
    inside = [marks[period] for period in window if period in marks]
    return min(inside, key=lambda mark: (_kind(mark.canonical_code), [*BY_CODE, ""].index(mark.canonical_code)))


def _kind(code: str) -> int:
    if code in ("", PROVISIONAL):
        return 7 if code else 8
    if BY_CODE[code].counts_as_attendance:
        return 2 if code == "L" else 1
    return 3 if code == "U" else {"authorised": 4, "unauthorised": 5}.get(BY_CODE[code].absence_type, 6)


def _winner(sources: Mapping[str, tuple[Place, Outcome]], system: str = "") -> CurrentMark:
    def rank(held: tuple[Place, Outcome]) -> tuple[bool, bool, int, tuple[int, bool, int]]:
        key, definite = held[1].key, _definite(held[1])
        assert key is not None
        return definite, definite and key.source == system, _RANK[held[1].kind], _latest(held)

    place, best = max(sources.values(), key=rank)
    assert best.key is not None
    return CurrentMark(best.raw_code, best.canonical_code, best.minutes_late, best.key.source, len(sources), place)


@cache
def _london_day(hour: int) -> date:
    """The day in London during an hour since 1970 (London's midnights and clock changes fall on whole hours of UTC)."""
    return london_date(_EPOCH + timedelta(hours=hour))


def _amendment(one: Mapping[str, Any]) -> Hashable:
    names = ("original_code", "reason_code", "staff_ref", "staff_position", "evidence")
    return (*(one[name] for name in names), millis(one["amended_at"]))


def feed(model: ReferenceModel, messages: Iterable[tuple[Any, ...]]) -> ReferenceModel:
    """Feed messages in order: arrival, a record or the reason for which it was refused whole, and of a replay what it
    says of itself. Returns the model.
    """
    for arrival, record, *again in messages:
        if isinstance(record, str):
            model.refuse(arrival, record)
        else:
            model.take(arrival, record, *again)
    return model
