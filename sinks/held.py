"""What we hold of one source at one school, as `rollcall.domain.comparison` compares it."""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.comparison import Mark, Pupil, Slot
from sinks.reference import load_crosswalk
from sinks.statements import load

__all__ = ["HeldMarks", "HeldYear", "Pupils", "Refused", "marks", "refused", "year"]

#: The topic of what sources are asked for.
_TOPIC = "attendance.mis.v1"


class Pupils:
    """Whom a source's references name at a school: our number of a pupil where we know it, else the reference."""

    def __init__(self, known: Mapping[tuple[str, str], int]) -> None:
        self._known = known

    def of(self, pupil: Pupil) -> Pupil:
        """The pupil, as our marks have it."""
        return pupil if isinstance(pupil, int) else self._known.get(pupil, pupil)

    def of_marks(self, theirs: Iterable[Mark]) -> list[Mark]:
        """The marks, with the pupils as our marks have them."""
        return [mark._replace(pupil=self.of(mark.pupil)) for mark in theirs]


@dataclass(frozen=True, slots=True)
class HeldMarks:
    """Marks that stand, of sessions and of lessons, and whom the source's references name."""

    marks: Sequence[Mark]
    pupils: Pupils


@dataclass(frozen=True, slots=True)
class HeldYear:
    """Pupil -> raw code -> session marks that stand, and whom the source's references name."""

    codes: Mapping[Pupil, Mapping[str, int]]
    pupils: Pupils


class Refused(NamedTuple):
    """A message of which something is refused: its bytes as received, and item -> reason; item -1 is all of it."""

    value: bytes
    reasons: Mapping[int, str]


def marks(client: Client, source: str, urn: int, first: date, last: date) -> HeldMarks:
    """The latest mark of each record of these session dates (both inclusive) that is not deleted."""
    rows = client.query(load("held_marks"), parameters=_asked(source, urn, first, last)).result_rows
    held = [
        Mark(record, pupil, Slot(day, session, period), code)
        for record, pupil, day, session, period, code, _, _ in rows
    ]
    return HeldMarks(held, _pupils(client, urn, {(row[6], row[7]): row[1] for row in rows}))


def year(client: Client, source: str, urn: int, first: date, last: date) -> HeldYear:
    """The same counted per pupil and code, sessions only: of several records of a session the latest counts."""
    rows = client.query(load("held_year"), parameters=_asked(source, urn, first, last)).result_rows
    codes: dict[Pupil, dict[str, int]] = defaultdict(dict)
    for pupil, code, count, _, _ in rows:
        codes[pupil][code] = count
    return HeldYear(codes, _pupils(client, urn, {(row[3], row[4]): row[0] for row in rows}))


def refused(client: Client, source: str, urn: int, first: date, last: date) -> list[Refused]:
    """Messages of which something is in quarantine, of these session dates or without a readable one; oldest first."""
    asked = {**_asked(source, urn, first, last), "topic": _TOPIC}
    rows = client.query(load("held_quarantine"), parameters=asked).result_rows
    return [Refused(b64decode(value), dict(zip(items, reasons, strict=True))) for value, items, reasons in rows]


def _asked(source: str, urn: int, first: date, last: date) -> dict[str, Any]:
    return {"source": source, "urn": urn, "first": first, "last": last}


def _pupils(client: Client, urn: int, in_marks: Mapping[tuple[str, str], int]) -> Pupils:
    """A reference names whom the rosters say; one that names two there, whom our marks say."""
    rows = load_crosswalk(client, [urn]).to_pylist()
    return Pupils(
        {**in_marks, **{(row["scheme"], row["ref"]): row["pupil_id"] for row in rows if not row["ambiguous"]}}
    )
