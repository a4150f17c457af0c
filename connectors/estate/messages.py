"""What a school's systems say: a register as submitted to the ingest API, a record as the pulled server holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from rollcall.domain.clock import to_the_millisecond

__all__ = ["UNKNOWN", "Amended", "PulledChange", "PulledRecord", "PupilRefs", "SentMark", "Submission", "millis"]

#: Stands for a pupil that no roster has.
UNKNOWN = -1

#: From a raw UPN to (scheme, reference) as it leaves the edge.
PupilRefs = Callable[[str], tuple[str, str]]


class Amended(NamedTuple):
    """The items that an amendment keeps beside the new code (rule 26)."""

    original_code: str
    reason_code: str
    staff_ref: str
    staff_position: str
    evidence: str
    amended_at: datetime


class SentMark(NamedTuple):
    """One mark of a register. `kind` is 'upn' or 'mis', `ref` the raw UPN or the MIS id, `pupil` the row or UNKNOWN."""

    pupil: int
    kind: str
    ref: str
    code: str
    minutes_late: int | None = None
    amended: Amended | None = None


@dataclass(slots=True)
class Submission:
    """One register as a source sends it. `ahead`: the sender's clock runs so far ahead of the real time at sending, and
    `submitted_at` is set when it is sent."""

    submission_id: str
    urn: int
    source: str
    group_id: str
    session_date: date
    session: str
    complete: bool
    revision: int
    submitted_at: datetime
    code_scheme: str
    marks: list[SentMark]
    taken_by: str | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    ahead: timedelta | None = None
    period: str | None = None

    def stamp(self, now: datetime) -> None:
        """Set the submission's time by a clock that runs ahead. Once only: a repeat carries the same time."""
        if self.ahead is not None:
            self.submitted_at = (now + self.ahead).replace(microsecond=0)
            self.ahead = None

    def body(self) -> dict[str, Any]:
        """The JSON of POST /v1/registers."""
        return {
            "submission_id": self.submission_id,
            "urn": self.urn,
            "group_id": self.group_id,
            "session_date": self.session_date.isoformat(),
            "session": self.session,
            "period": self.period,
            "complete": self.complete,
            "revision": self.revision,
            "opened_at": _iso(self.opened_at),
            "closed_at": _iso(self.closed_at),
            "submitted_at": _iso(self.submitted_at),
            "taken_by": self.taken_by,
            "code_scheme": self.code_scheme,
            "marks": [_mark_body(mark) for mark in self.marks],
        }

    def record(self, refs: PupilRefs) -> dict[str, Any]:
        """The Avro record (attendance.register.v1) that this submission must become. `refs` keys the UPNs."""
        marks, amendments = [], []
        for item, mark in enumerate(self.marks):
            scheme, ref = refs(mark.ref) if mark.kind == "upn" else (mark.kind, mark.ref)
            marks.append(
                {"pupil_ref": ref, "pupil_scheme": scheme, "code": mark.code, "minutes_late": mark.minutes_late}
            )
            if mark.amended is not None:
                amendments.append({"item": item, **mark.amended._asdict()})
        return {
            "submission_id": self.submission_id,
            "urn": self.urn,
            "source": self.source,
            "group_id": self.group_id,
            "session_date": self.session_date,
            "session": self.session,
            "period": self.period,
            "complete": self.complete,
            "revision": self.revision,
            "opened_at": self.opened_at,
            "closed_at": self.closed_at,
            "submitted_at": self.submitted_at,
            "taken_by": self.taken_by,
            "code_scheme": self.code_scheme,
            "marks": marks,
            "amendments": amendments,
        }


@dataclass(slots=True)
class PulledRecord:
    """A record of a school's MIS, one mark of a session (or, with a period, of a lesson), as it stands there now.

    `pupil_ref` is what the MIS calls the pupil. `served` lists the codes that went out in an answer, in order, None for
    its deletion; `served_times` the modified times that went out with them, where the make shows any. `twice`: its MIS
    shows it in two places, the same. `been_gone`: it was deleted at some time, back again or not.
    """

    record_id: str
    pupil: int
    pupil_ref: str
    session_date: date
    session: str
    code: str
    period: str | None = None
    sequence: int = 0
    twice: bool = False
    been_gone: bool = False
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    served: list[str | None] = field(default_factory=list)
    served_times: set[datetime] = field(default_factory=set)

    @property
    def modified_at(self) -> datetime | None:
        """When it was changed last, its deletion too, to the millisecond as systems write it."""
        changed = self.deleted_at or self.updated_at
        return None if changed is None else to_the_millisecond(changed)


class PulledChange(NamedTuple):
    """One change at a pulled school: a new record, a record's new code (one that was gone is there again), or a
    deletion (code None)."""

    urn: int
    record_id: str
    code: str | None
    new: PulledRecord | None = None


def millis(instant: datetime) -> int:
    """Milliseconds since 1970 of an instant with a zone."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _mark_body(mark: SentMark) -> dict[str, Any]:
    body: dict[str, Any] = {("upn" if mark.kind == "upn" else "mis_id"): mark.ref, "code": mark.code}
    if mark.minutes_late is not None:
        body["minutes_late"] = mark.minutes_late
    if mark.amended is not None:
        body["amendment"] = {**mark.amended._asdict(), "amended_at": _iso(mark.amended.amended_at)}
    return body
