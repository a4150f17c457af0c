"""What should have happened: the registers a school expects on a day, which should be closed by an instant, which came.

Answered by the timetable as known at an instant (rule 9): a correction of the past is a version of its own, and asking
as known before it gives the answer of then. Calendar and roster are those in force now. Opening and closing times are
London's wall clock (rule 8): 09:15 is 08:15 UTC in September and 09:15 UTC in November.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import LONDON, london_date, now, session_opens
from rollcall.errors import UsageError
from sinks.statements import load

__all__ = ["Day", "Expected", "State", "expected"]

#: not yet open; open; closed and received; closed and not received.
State = Literal["not_yet", "open", "closed", "overdue"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND, _MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)
#: Who says that a day within a term is none, in words.
_CLOSURES = {
    "half_term": "half term",
    "inset": "INSET day",
    "bank_holiday": "bank holiday",
    "planned": "planned closure",
    "unplanned": "unplanned closure",
}


class _Came(NamedTuple):
    """When a register came, and how: as a register of its group, or as marks of its pupils (pulled from an MIS)."""

    at: datetime
    by: Literal["register", "marks"]


@dataclass(frozen=True, slots=True)
class Expected:
    """One register of the day. Times are instants, UTC."""

    session: str
    #: The lesson; empty for the register of a session (rule 7).
    period: str
    group_id: str
    #: Whose pupils it takes: several for a joint register.
    groups: tuple[str, ...]
    opens_at: datetime
    closes_at: datetime
    state: State
    #: When it was first received, None when it was not; and as what.
    received_at: datetime | None
    received_as: str | None

    def as_json(self) -> dict[str, Any]:
        """Times as local time of day and as instant."""
        return {
            "session": self.session,
            "period": self.period or None,
            "group_id": self.group_id,
            "groups": list(self.groups),
            "opens_at": f"{self.opens_at.astimezone(LONDON):%H:%M}",
            "opens_at_utc": _iso(self.opens_at),
            "closes_at": f"{self.closes_at.astimezone(LONDON):%H:%M}",
            "closes_at_utc": _iso(self.closes_at),
            "state": self.state,
            "received_at": None if self.received_at is None else _iso(self.received_at),
            "received_as": self.received_as,
        }


@dataclass(frozen=True, slots=True)
class Day:
    """A school's day, seen at an instant. `why_closed` is None when it is open."""

    urn: int
    school_name: str
    at: datetime
    day: date
    is_open: bool
    why_closed: str | None
    #: Name of the week in the school's cycle, None when its calendar names none.
    week: str | None
    #: The timetable version that answers, by when it was taken; None when the school has given none.
    timetable_taken_at: datetime | None
    registers: tuple[Expected, ...]

    @property
    def overdue(self) -> int:
        """Registers that should be closed and have not come."""
        return sum(one.state == "overdue" for one in self.registers)

    def as_json(self) -> dict[str, Any]:
        """The document `rollcall expected --json` prints."""
        return {
            "urn": self.urn,
            "school_name": self.school_name,
            "at": self.at.astimezone(LONDON).isoformat(),
            "at_utc": _iso(self.at),
            "date": self.day.isoformat(),
            "open": self.is_open,
            "why_closed": self.why_closed,
            "week": self.week,
            "timetable_taken_at": None if self.timetable_taken_at is None else _iso(self.timetable_taken_at),
            "overdue": self.overdue,
            "registers": [one.as_json() for one in self.registers],
        }


def expected(client: Client, urn: int, at: datetime, *, known_at: datetime | None = None, lessons: bool = False) -> Day:
    """What was expected of a school on the day of `at`, by then, and what of it has been received.

    `known_at`: answer by the timetable version, and by what had been received, as known at this instant; now when None.
    `lessons`: the registers of lessons too. Raises UsageError for a school that nobody told us of.
    """
    day = london_date(at)
    known = ((now() if known_at is None else known_at) - _EPOCH) // _MICROSECOND
    place: dict[str, Any] = {"urn": urn, "day": day, "known": known}
    (about,) = client.query(load("expected_day"), parameters=place).named_results()
    if not about["is_known"]:
        raise UsageError(f"school {urn} is not known: rollcall reference load gias, or a school of another URN")
    rows = client.query(load("expected_registers"), parameters={**place, "week": about["week"]}).result_rows
    why = _why_closed(about, day, any_expected=bool(rows))
    taken = int(client.query(load("expected_timetable"), parameters=place).result_rows[0][0])
    registers: list[Expected] = []
    if why is None:
        came = _Received(client, place, [(session, period, tuple(groups)) for session, period, _, groups, *_ in rows])
        for session, period, group_id, groups, opens, closes in rows:
            if period and not lessons:
                continue
            opens_at, closes_at = session_opens(day, opens), session_opens(day, closes)
            found = came.find(session, period, group_id, tuple(groups))
            state = _state(at, opens_at, closes_at, received=found is not None)
            received = (None, None) if found is None else (found.at, found.by)
            registers.append(Expected(session, period, group_id, tuple(groups), opens_at, closes_at, state, *received))
    return Day(
        urn=urn,
        school_name=about["school_name"],
        at=at.astimezone(UTC),
        day=day,
        is_open=why is None,
        why_closed=why,
        week=about["week"] or None,
        timetable_taken_at=_EPOCH + taken * _MILLISECOND if taken > 0 else None,
        registers=tuple(registers),
    )


def _state(at: datetime, opens_at: datetime, closes_at: datetime, *, received: bool) -> State:
    """A register that is to close after this very moment is not overdue, whatever instant is asked about."""
    if at < opens_at:
        return "not_yet"
    if at < closes_at:
        return "open"
    if received:
        return "closed"
    return "overdue" if closes_at <= now() else "not_yet"


def _why_closed(about: Mapping[str, Any], day: date, *, any_expected: bool) -> str | None:
    """Why nothing is expected of the school that day, in words; None when it is open."""
    if not about["exists_that_day"]:
        return "the school had not opened yet, or had closed"
    if not about["has_calendar"]:
        return "no calendar of the school is known"
    if about["closures"]:
        return ", ".join(sorted(_CLOSURES.get(one, one) for one in about["closures"]))
    if not about["is_open_day"]:
        return "outside its terms"
    return "weekend" if day.isoweekday() > 5 and not any_expected else None


class _Received:
    """What came of one school and day: registers by their group, and marks by their pupils' groups."""

    def __init__(
        self, client: Client, place: dict[str, Any], slots: Sequence[tuple[str, str, tuple[str, ...]]]
    ) -> None:
        self._slots = slots
        self._registers = {
            (session, period, group): _EPOCH + int(came) * _MILLISECOND
            for session, period, group, came in client.query(load("expected_receipts"), parameters=place).result_rows
        }
        self._members: dict[str, int] = {}
        self._marks: dict[tuple[str, str, str], tuple[int, datetime]] = {}
        for group, session, period, pupils, came in client.query(load("expected_marks"), parameters=place).result_rows:
            if session:
                self._marks[session, period, group] = (int(pupils), _EPOCH + int(came) * _MILLISECOND)
            else:
                self._members[group] = int(pupils)

    def find(self, session: str, period: str, group_id: str, groups: tuple[str, ...]) -> _Came | None:
        """How a register came: under its own group or under each of the groups it takes, else by its pupils' marks.

        A joint register needs a mark in each of its groups. Of the halves of one group, which take the same pupils,
        one says nothing of the other: by marks alone they have come when every pupil has one.
        """
        own = self._registers.get((session, period, group_id))
        each = [self._registers.get((session, period, group)) for group in groups]
        halves = self._slots.count((session, period, groups)) > 1
        if own is not None:
            return _Came(own, "register")
        if not halves and (arrived := [one for one in each if one is not None]) and len(arrived) == len(groups):
            return _Came(max(arrived), "register")
        times: list[datetime] = []
        for group in groups:
            marked, first = self._marks.get((session, period, group), (0, _EPOCH))
            if marked == 0 or (halves and marked < self._members[group]):
                return None
            times.append(first)
        return _Came(max(times), "marks") if times else None


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
