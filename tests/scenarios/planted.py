"""Schools of a `FakeWonde`, each with one thing that is planted between a first pull and a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rollcall.domain.clock import now
from tests.connectors.mis import FakeWonde, local_day
from tests.streams.messages import page, record

__all__ = ["DAYS", "PLANTED", "PUPILS", "Found", "Planted", "Town", "pupil_ref"]

DAYS = ("2025-09-08", "2025-09-09", "2025-09-10")
PUPILS = 6
#: When the MIS says that a mark was changed: before the first pull, and after it.
LONG_AGO, LATER = datetime(2025, 9, 10, 16, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
CODES = [{"id": f"C{code}", "code": code} for code in "/NL-"]

#: A kind of difference; where the source has the mark, and where we have it: day, session, lesson, code.
Place = tuple[str, str, str | None, str] | None
Found = tuple[str, Place, Place]


def pupil_ref(pupil: int) -> str:
    """What the MIS calls a pupil; `PUPILS` and beyond are in no roster."""
    return f"A1{pupil:05d}"


class Town:
    """One school. Ids of its records: `<pupil>-<day>-<session>`, days counted from 0, of lessons with `-P1` behind."""

    def __init__(self, mis: FakeWonde, number: int, urn: int) -> None:
        self.mis, self.school, self.urn = mis, f"A{number}", urn
        self.sessions: list[dict[str, Any]] = mis.held.setdefault(f"{self.school}/attendance/session", [])
        self.lessons: list[dict[str, Any]] = mis.held.setdefault(f"{self.school}/attendance/lesson", [])
        self.deletions: list[dict[str, Any]] = mis.held.setdefault(f"{self.school}/deletions", [])
        mis.held[f"{self.school}/attendance-codes"] = CODES
        mis.held[f"{self.school}/periods"] = [{"id": "A81", "name": "P1"}]
        for number_of_day, day in enumerate(DAYS):
            for session in ("AM", "PM"):
                for pupil in range(PUPILS):
                    self.sessions.append(self.mark(f"{pupil}-{number_of_day}-{session}", pupil, day, session))
            for pupil in range(2):
                self.lessons.append(self.mark(f"{pupil}-{number_of_day}-AM-P1", pupil, day, "AM", period="A81"))

    def mark(self, identifier: str, pupil: int, day: str, session: str, code: str = "/", **more: Any) -> dict[str, Any]:
        return {
            "id": identifier,
            "student": pupil_ref(pupil),
            "session": session,
            "date": local_day(day),
            "attendance_code": f"C{code}",
            "comment": "Remark that goes no further",
            "_changed": LONG_AGO,
            **more,
        }

    def of(self, identifier: str) -> dict[str, Any]:
        """The record of this id."""
        return next(one for one in (*self.sessions, *self.lessons) if one["id"] == identifier)

    def without(self, which: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Take the session and lesson marks out of the MIS of which this is true, and return them."""
        gone = [one for one in (*self.sessions, *self.lessons) if which(one)]
        for held in (self.sessions, self.lessons):
            held[:] = [one for one in held if one not in gone]
        return gone

    def sent(self, identifier: str, pupil: int, day: str, session: str) -> dict[str, Any]:
        """A message with one mark that the MIS does not have."""
        mark = record(
            identifier, pupil_ref(pupil), pupil_scheme="wonde", session_date=date.fromisoformat(day), session=session
        )
        whole = page(mark, taken_at=now(), urn=self.urn, source="wonde")
        return {**whole, "complete": False, "window_from": None, "window_to": None}


#: Does something to a school, and returns messages to send that the MIS never held.
Deed = Callable[[Town], Sequence[dict[str, Any]] | None]


@dataclass(frozen=True)
class Planted:
    """before: what the MIS is like when it is pulled; then: what is done to it afterwards. found: every difference."""

    then: Deed
    found: Sequence[Found] = ()
    before: Deed = lambda _town: None


def change(identifier: str, **fields: Any) -> Deed:
    return lambda town: town.of(identifier).update(fields)


def hold_back(which: Callable[[dict[str, Any]], bool]) -> tuple[Deed, Deed]:
    """The MIS does not give these the first time, and does the second."""
    kept: dict[str, list[dict[str, Any]]] = {}

    def before(town: Town) -> None:
        kept[town.school] = town.without(which)

    def then(town: Town) -> None:
        for one in kept[town.school]:
            (town.lessons if "period" in one else town.sessions).append(one)

    return before, then


def remove(identifier: str, deleted_at: datetime | None = None) -> Deed:
    def deed(town: Town) -> None:
        town.without(lambda one: one["id"] == identifier)
        if deleted_at is not None:
            town.deletions.append({"id": identifier, "type": "attendance/session", "_changed": deleted_at})

    return deed


def make_anew(town: Town) -> None:
    town.sessions.append({**town.of("1-1-AM"), "id": "anew"})
    town.without(lambda one: one["id"] == "1-1-AM")


def lesson_as_session(town: Town) -> None:
    (lesson,) = town.without(lambda one: one["id"] == "0-0-AM-P1")
    del lesson["period"]
    town.sessions.append(lesson)


def stranger(town: Town) -> None:
    town.sessions.append(town.mark("stranger", PUPILS, DAYS[1], "AM", "N"))


def _am(day: int, code: str = "/", lesson: str | None = None) -> Place:
    return DAYS[day], "AM", lesson, code


def _pm(day: int, code: str = "/") -> Place:
    return DAYS[day], "PM", None, code


_PAGE = hold_back(lambda one: one["id"] in {f"{pupil}-1-AM" for pupil in range(5)})
_DAY = hold_back(lambda one: one["date"] == local_day(DAYS[2]))
_LESSON = hold_back(lambda one: one["id"] == "1-0-AM-P1")
_NEW = hold_back(lambda one: one["id"] == "3-2-PM")

PLANTED: dict[str, Planted] = {
    "nothing": Planted(lambda _town: None),
    "a dropped page": Planted(_PAGE[1], [("missing", _am(1), None)] * 5, _PAGE[0]),
    "a deleted mark kept": Planted(remove("2-1-PM"), [("kept", None, _pm(1))]),
    "a wrong day": Planted(change("2-1-AM", date=local_day(DAYS[2])), [("moved", _am(2), _am(1))]),
    "a wrong session": Planted(change("2-1-AM", session="PM"), [("moved", _pm(1), _am(1))]),
    "a wrong code": Planted(change("2-1-AM", attendance_code="CN"), [("code", _am(1, "N"), _am(1))]),
    "a mark of another pupil": Planted(change("2-1-AM", student=pupil_ref(3)), [("moved", _am(1), _am(1))]),
    "a lost lesson mark": Planted(_LESSON[1], [("missing", _am(0, lesson="P1"), None)], _LESSON[0]),
    "a lesson told as a session": Planted(lesson_as_session, [("moved", _am(0), _am(0, lesson="P1"))]),
    "a whole day missing": Planted(
        _DAY[1],
        [*[("missing", _am(2), None)] * 6, *[("missing", _am(2, lesson="P1"), None)] * 2]
        + [("missing", _pm(2), None)] * 6,
        _DAY[0],
    ),
    "an extra mark": Planted(
        lambda town: [town.sent("extra", 5, DAYS[2], "PM")], [("kept", None, _pm(2))], before=remove("5-2-PM")
    ),
    "a repeated record": Planted(lambda town: [town.sent("twice", 0, DAYS[0], "AM")], [("repeated", None, _am(0))]),
    "a record made anew": Planted(make_anew, [("kept", None, _am(1)), ("missing", _am(1), None)]),
    "a withdrawal that did not come": Planted(change("4-0-PM", attendance_code="C-"), [("code", _pm(0, "-"), _pm(0))]),
    "a mark in quarantine": Planted(lambda _town: None, before=stranger),
    "a change not pulled yet": Planted(change("2-1-AM", attendance_code="CL", _changed=LATER)),
    "a deletion not pulled yet": Planted(remove("2-1-AM", LATER)),
    "a mark not pulled yet": Planted(
        lambda town: town.sessions.append({**town.mark("3-2-PM", 3, DAYS[2], "PM"), "_changed": LATER}),
        before=_NEW[0],
    ),
}
assert sum(bool(one.found) for one in PLANTED.values()) >= 10
