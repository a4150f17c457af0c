"""Suppression and the rule in plain Python over plain dicts, sharing no code with the worker: what must come out.

Only of marks that nothing refuses (known schools, pupils and dates); `test_bad_input.py` is about the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rollcall.domain.codes import BY_CODE

DELETED = "deleted"
FUTURE_BOUND_MS = 300_000


class Key(NamedTuple):
    """What one assertion is about."""

    urn: int
    ref: str
    day: str
    session: str
    period: str
    source: str
    record_id: str


class Verdict(NamedTuple):
    """Outcome of one mark or deletion: accepted, superseded, unchanged, or the reason it is refused for."""

    outcome: str
    key: Key | None = None
    version: int = 0
    content: Any = None


def milliseconds(instant: Any) -> int:
    return round(instant.timestamp() * 1000)


class Model:
    """Takes messages in the order of their partition; `take` gives the verdict of each mark, then of each deletion."""

    def __init__(self) -> None:
        self._state: dict[Key, tuple[int, Any]] = {}
        self._reasserted: dict[Key, int] = {}
        self._places: dict[tuple[int, str, str], dict[Key, None]] = {}

    def take(self, message: Mapping[str, Any], offset: int, arrived_ms: int) -> list[list[Verdict]]:
        """One list of verdicts an item: a deletion of a record that stands in several places has several."""
        a_register = "submission_id" in message
        whole = min(milliseconds(message["submitted_at" if a_register else "taken_at"]), arrived_ms + FUTURE_BOUND_MS)
        said: list[tuple[Key, int, Any]] = []
        for one in message["marks"]:
            where = message if a_register else one
            modified = one.get("modified_at")
            asserted = whole if modified is None else min(milliseconds(modified), arrived_ms + FUTURE_BOUND_MS)
            key = Key(
                message["urn"], one["pupil_ref"], where["session_date"].isoformat(), where["session"],
                where["period"] or "", message["source"], one.get("record_id", ""),
            )  # fmt: skip
            said.append((key, asserted, (message["code_scheme"], one["code"], one["minutes_late"])))
        gone = []
        for record_id in message.get("deletions", ()):
            known = list(self._places.get((message["urn"], message["source"], record_id), ()))
            known += [k for k, a, _ in said if k.record_id == record_id and not self._contradicts(said, k, a)]
            gone.append(list(dict.fromkeys(known)))
        said += [(key, whole, DELETED) for places in gone for key in places]
        results: list[list[Verdict]] = []
        at = 0
        for places in [[key] for key, _, _ in said[: len(message["marks"])]] + gone:
            verdicts = []
            for key in places:
                _, asserted, content = said[at]
                version = asserted << 20 | offset % (1 << 20)
                repeat = any((k, a) == (key, asserted) for k, a, _ in said[:at])
                if self._contradicts(said, key, asserted):
                    verdicts.append(Verdict("contradicts_itself"))
                else:
                    told = asserted == whole
                    # A page of some days says how its records stand in them, even where it holds only what changed.
                    complete = (message["complete"] or message.get("window_to") is not None) and told
                    verdicts.append(self._judge(key, version, content, told=told, complete=complete, repeat=repeat))
                    self._places.setdefault((key.urn, key.source, key.record_id), {})[key] = None
                at += 1
            results.append(verdicts or [Verdict("unknown_record")])
        return results

    @staticmethod
    def _contradicts(said: list[tuple[Key, int, Any]], key: Key, asserted: int) -> bool:
        return len({c for k, a, c in said if (k, a) == (key, asserted)}) > 1

    def _judge(self, key: Key, version: int, content: Any, *, told: bool, complete: bool, repeat: bool) -> Verdict:
        if key not in self._state:
            self._state[key] = (version, content)
            return Verdict("accepted", key, version, content)
        held, held_content = self._state[key]
        same_time = held >> 20 == version >> 20
        if repeat or (content == held_content and version >= held and (complete or same_time)):
            if told:
                self._reasserted[key] = max(version, self._reasserted.get(key, 0))
            return Verdict("unchanged", key, version, content)
        if version < self._reasserted.get(key, 0):
            return Verdict("superseded", key, version, content)
        if version > held:
            self._state[key] = (version, content)
        return Verdict("accepted", key, version, content)


class Current(NamedTuple):
    """The mark that counts for a pupil and session."""

    source: str
    code: str
    minutes_late: int | None


def current(verdicts: Iterable[Verdict], kinds: Mapping[str, str]) -> dict[tuple[int, str, str, str], Current]:
    """The rule over what was accepted, national codes only; ``kinds``: source to kind.

    Of each record the latest; of each source the latest that stands; between sources a definite code before N and
    unmapped ones, then MIS before register, then the latest (rules 3, 7, 17). The latest of several records is so by
    the millisecond; of one millisecond a definite code, then by what they are, never by where they lay.
    """
    latest: dict[Key, Verdict] = {}
    for verdict in verdicts:
        key = verdict.key
        if verdict.outcome != "accepted" or key is None or key.period:
            continue
        if key not in latest or verdict.version > latest[key].version:
            latest[key] = verdict
    by_pupil: dict[tuple[int, str, str, str], dict[str, Verdict]] = {}
    for key, verdict in latest.items():
        if verdict.content == DELETED or _canonical(verdict) == "-":
            continue
        sources = by_pupil.setdefault((key.urn, key.ref, key.day, key.session), {})
        held = sources.get(key.source)
        if held is None or _latest(verdict) > _latest(held):
            sources[key.source] = verdict
    found = {}
    for pupil, sources in by_pupil.items():
        best = max(
            sources.items(),
            key=lambda one: (_canonical(one[1]) not in ("N", ""), kinds[one[0]] == "mis", _latest(one[1])),
        )
        found[pupil] = Current(best[0], best[1].content[1], best[1].content[2])
    return found


def _latest(verdict: Verdict) -> tuple[int, bool, int]:
    assert verdict.key is not None
    named = f"{verdict.key.source}\n{verdict.key.record_id}".encode()
    hashed = int.from_bytes(hashlib.md5(named).digest()[:8], "big") >> 2
    return verdict.version >> 20, _canonical(verdict) not in ("N", ""), hashed


def _canonical(verdict: Verdict) -> str:
    code: str = verdict.content[1]
    return code if code in BY_CODE else "-" if not code else ""


KINDS = {"classroom": "register", "kiosk-room": "register", "mis": "mis"}
