"""Kiosks of the estate: who signs in and out on a day, drawn from the truth, with the dirt of the real ones; and what
evidence must come of it, said by plain arithmetic on the school's times that shares no code with the agent."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from connectors.estate.day import CODES, NO_MARK, draw_day
from connectors.estate.messages import PupilRefs
from connectors.estate.reference import expected_registers
from connectors.ingest import kiosk
from connectors.pupils import PupilReference
from rollcall.domain.clock import LONDON, session_opens

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.schools import School

__all__ = ["SOURCE", "KioskDirt", "Kiosks", "with_one"]

SOURCE = "front-desk"
#: Codes of pupils who come to school, and so pass the kiosk.
_COME = frozenset({"/", "\\", "L", "U"})
#: The kiosks of some schools run ahead by so much; the person's clock would say otherwise, and nobody can know.
_SKEW = timedelta(minutes=4)
_EVIDENCE = uuid.UUID("5a1a6f0e-2f43-5f0e-8a55-0b5b1d1f7c10")


def with_one(estate: Estate, every: int) -> list[School]:
    """The schools of an estate that have a kiosk, when every so-manieth has."""
    return estate.schools[::every]


@dataclass(frozen=True, slots=True)
class KioskDirt:
    """Rates between 0 and 1: of events, but `skewed` of schools and `visitors` and `unknown` beside the pupils."""

    repeats: float = 0.05
    no_sign_out: float = 0.3
    out_and_back: float = 0.03
    skewed: float = 0.2
    visitors: float = 0.05
    unknown: float = 0.01


@dataclass(frozen=True)
class Kiosks:
    """The kiosks of an estate, all of one source. One kiosk a school, or at every n-th school only (`every`)."""

    estate: Estate
    refs: PupilRefs
    dirt: KioskDirt = KioskDirt()
    every: int = 1

    @property
    def schools(self) -> list[School]:
        """The schools that have one."""
        return with_one(self.estate, self.every)

    def events(self, day: date) -> list[dict[str, Any]]:
        """The records of `attendance.kiosk.v1` of a school day, in order of time, repeats after their first."""
        truth = draw_day(self.estate.seed, self.estate.pupils, day)
        found: list[dict[str, Any]] = []
        for school in self.schools:
            dice = random.Random(f"{self.estate.seed}/kiosk/{school.urn}/{day}")
            skew = _SKEW if dice.random() < self.dirt.skewed else timedelta()
            for row, ref in zip(self.estate.pupils.of(school), self._references(school), strict=True):
                morning = int(truth.am[row])
                if morning == NO_MARK or CODES[morning] not in _COME:
                    continue
                came = self._came(school, day, CODES[morning], int(truth.minutes_late[row]), dice) + skew
                found += self._stay(school, day, ref, f"{day}-{row}", came, dice)
            found += self._others(school, day, dice)
        found += [dict(one) for one in found if random.Random(one["event_id"]).random() < self.dirt.repeats]
        return sorted(found, key=lambda one: one["event_at"])

    def some(self, first: date, count: int) -> list[dict[str, Any]]:
        """So many events, from this day on, day after open day."""
        found: list[dict[str, Any]] = []
        day = first
        while len(found) < count:
            day = self.estate.calendar.next_open(day)
            found += self.events(day)
            day += timedelta(days=1)
        return found[:count]

    def evidence(self, events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """submission_id -> the record of `attendance.evidence.v1` that must come of these events, as decoded."""
        windows = {school.urn: self._windows(school) for school in self.schools}
        found = {}
        for event in events:
            said = _evidence(event, windows[event["urn"]])
            if said is not None:
                found[said["submission_id"]] = said
        return found

    def _references(self, school: School) -> Iterator[PupilReference]:
        rows = self.estate.pupils.of(school)
        if school.pupil_scheme == "upn":
            yield from (PupilReference(*self.refs(upn)) for upn in self.estate.upns(school))
        else:
            yield from (PupilReference("mis", self.estate.pupils.mis_id(row)) for row in rows)

    def _came(self, school: School, day: date, code: str, late: int, dice: random.Random) -> datetime:
        opens = session_opens(day, school.times[0])
        if code in ("L", "U"):
            return opens + timedelta(minutes=late, seconds=dice.randrange(60))
        return opens - timedelta(seconds=dice.randrange(1, 1_800))

    def _stay(
        self, school: School, day: date, ref: PupilReference, key: str, came: datetime, dice: random.Random
    ) -> Iterator[dict[str, Any]]:
        """In; perhaps out at noon and back; out in the afternoon, if the kiosk is told."""
        yield self._event(school, ref, f"{key}-in", "in", came)
        if dice.random() < self.dirt.out_and_back:
            left = session_opens(day, "12:05") + timedelta(minutes=dice.randrange(30))
            yield self._event(school, ref, f"{key}-lunch", "out", left, reason_code="LUNCH")
            yield self._event(school, ref, f"{key}-back", "in", left + timedelta(minutes=dice.randrange(20, 90)))
        if dice.random() >= self.dirt.no_sign_out:
            yield self._event(
                school, ref, f"{key}-out", "out", session_opens(day, "15:10") + timedelta(minutes=dice.randrange(40))
            )

    def _others(self, school: School, day: date, dice: random.Random) -> Iterator[dict[str, Any]]:
        """Visitors by the kiosk's own id, and pupils whom no roster knows."""
        for number in range(round(school.pupils * self.dirt.visitors)):
            person = PupilReference(kiosk.own_scheme(SOURCE), f"visitor:{school.urn}:{day}:{number}")
            at = session_opens(day, "08:00") + timedelta(minutes=dice.randrange(480))
            yield self._event(school, person, f"{day}-{school.urn}-v{number}", "in", at)
        for number in range(round(school.pupils * self.dirt.unknown)):
            person = PupilReference("mis", f"nobody-{day}-{number}")
            at = session_opens(day, school.times[0]) + timedelta(minutes=dice.randrange(-30, 60))
            yield self._event(school, person, f"{day}-{school.urn}-u{number}", "in", at)

    def _event(
        self, school: School, person: PupilReference, key: str, direction: str, at: datetime, **more: str
    ) -> dict[str, Any]:
        return kiosk.record(
            SOURCE, key, school.urn, person, direction, event_at=at, pushed_at=at + timedelta(seconds=2),
            device=f"kiosk-{school.urn}", **more,
        )  # fmt: skip

    def _windows(self, school: School) -> dict[str, tuple[time, time]]:
        """Session -> first opening and last closing on a weekday, London wall-clock time."""
        published = expected_registers(self.estate, school, self.estate.dates[0], datetime.now(UTC))
        times: dict[str, list[tuple[time, time]]] = {}
        for one in published["registers"]:
            if one["period"] is None:
                span = time.fromisoformat(one["opens_at"]), time.fromisoformat(one["closes_at"])
                times.setdefault(one["session"], []).append(span)
        return {session: (min(a for a, _ in spans), max(b for _, b in spans)) for session, spans in times.items()}


def _evidence(event: Mapping[str, Any], windows: Mapping[str, tuple[time, time]]) -> dict[str, Any] | None:
    """Of a sign-in of somebody in a scheme of pupils; compared as wall-clock times, not as instants."""
    if event["direction"] != "in" or event["scheme"].startswith("kiosk:"):
        return None
    at = datetime.fromtimestamp(event["event_at"] / 1000, UTC)
    local = at.astimezone(LONDON)
    noon = min(time(12), windows["PM"][0]) if "PM" in windows else time(12)
    session = "AM" if local.time() < noon else "PM"
    if session not in windows:
        return None
    opens, closes = windows[session]
    if local.time() < opens:
        code, late = ("/" if session == "AM" else "\\"), None
    else:
        code = "L" if local.time() < closes else "U"
        late = (local.hour * 60 + local.minute) - (opens.hour * 60 + opens.minute)

    def instant(of_day: time) -> datetime:
        return datetime.combine(local.date(), of_day, LONDON).astimezone(UTC)

    return {
        "submission_id": str(uuid.uuid5(_EVIDENCE, f"{event['source']}\n{event['idempotency_key']}")),
        "urn": event["urn"],
        "source": event["source"],
        "group_id": "",
        "session_date": local.date(),
        "session": session,
        "period": None,
        "complete": False,
        "revision": 1,
        "opened_at": instant(opens),
        "closed_at": instant(closes),
        "submitted_at": at,
        "taken_by": event["device"],
        "code_scheme": "national",
        "marks": [
            {
                "pupil_ref": event["person_ref"],
                "pupil_scheme": event["scheme"],
                "code": code,
                "minutes_late": late,
            }
        ],
    }
