"""A file's rows in our words. Pure functions; a row that cannot be read raises ValueError: column and why, not what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from connectors.contract import Source, Window
from connectors.csvdrop.columns import Layout
from connectors.csvdrop.dates import read_day, read_instant
from connectors.encoding import days, milliseconds
from connectors.pupils import PupilReference, UpnKey
from connectors.records import minutes_late, text
from rollcall.domain.codes import NO_MARK

__all__ = ["KEPT_FIELDS", "Reading", "flag", "mark", "pupil"]

#: What is kept of a row that is refused: where it stands. In a row that is out of order anything may hold a name.
KEPT_FIELDS = frozenset({"line", "last_line"})
_FLAGS = {"": False, "0": False, "false": False, "no": False, "n": False}
_FLAGS.update({"1": True, "true": True, "yes": True, "y": True, "t": True})

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one file are read. window: the days that the file says it is of, None where it says none."""

    source: Source
    layout: Layout
    dates: str
    pupil_scheme: str
    window: Window | None


def mark(row: Mapping[str, Any], how: Reading, upn_key: UpnKey) -> Mapping[str, Any] | str:
    """A row as a mark of `attendance.mis.v1`; the record's id alone where the row says that it is gone.

    A record is a place: the mark of that pupil on that day, in that session and period. A later file that says another
    code amends it, whether the source has ids of its own or not, and a whole export that says nothing of it withdraws
    it (rule 18); an id that the source may give to another day could not be withdrawn from one.
    """
    _whole(row)
    if row.get("school", "").strip() not in ("", str(how.source.urn)):
        raise ValueError(f"column {how.layout.heading('school')}: it is another school's")
    session_date = _read(row, how, "date", lambda written: read_day(written, how.dates))
    if how.window is not None and not how.window.first_day <= session_date <= how.window.last_day:
        raise ValueError(f"column {how.layout.heading('date')}: it lies outside the days that the file's name says")
    session = row["session"].strip().upper()
    if session not in ("AM", "PM"):
        raise ValueError(f"column {how.layout.heading('session')}: it is neither AM nor PM")
    period = row.get("period", "").strip() or None
    who = pupil(row, how, upn_key)
    record = "-".join(part for part in (session_date.isoformat(), session, period, who.ref) if part)
    if _read(row, how, "deleted", flag, ""):
        return record
    modified = row.get("modified", "").strip()
    return {
        "record_id": record,
        "pupil_ref": who.ref,
        "pupil_scheme": who.scheme,
        "session_date": days(session_date),
        "session": session,
        "period": period,
        "code": _code(row, how),
        "minutes_late": minutes_late(row.get("minutes")),
        "modified_at": milliseconds(_read(row, how, "modified", lambda written: read_instant(written, how.dates)))
        if modified
        else None,
    }


def pupil(row: Mapping[str, Any], how: Reading, upn_key: UpnKey) -> PupilReference:
    """What a row calls its pupil: the source's own id, or the UPN as its keyed hash where there is no id."""
    if row.get("pupil", "").strip():
        return PupilReference(
            how.pupil_scheme, _read(row, how, "pupil", lambda _: text(row, "pupil", "the pupil's id"))
        )
    if row.get("upn", "").strip():
        return upn_key.reference(row["upn"].strip())
    role = "pupil" if "pupil" in row else "upn"
    raise ValueError(f"column {how.layout.heading(role)}: the pupil's id is missing")


def flag(written: str) -> bool:
    """Yes or no, in the words that exports use. Raises ValueError for any other."""
    try:
        return _FLAGS[written.strip().lower()]
    except KeyError:
        raise ValueError("it is neither yes nor no") from None


def _whole(row: Mapping[str, Any]) -> None:
    if "problem" in row:
        raise ValueError(row["problem"])


def _code(row: Mapping[str, Any], how: Reading) -> str:
    """The code as it stands, known or not. Blank is no mark (rule 3); but blank beside a code of the other scheme is
    neither a mark nor none, and nobody may choose."""
    code: str = row["code"].strip()
    if code in ("", NO_MARK) and row.get("other_code", "").strip() not in ("", NO_MARK):
        beside = how.layout.heading("other_code")
        raise ValueError(f"column {how.layout.heading('code')}: the code is missing, and {beside} beside it has one")
    return code


def _read(
    row: Mapping[str, Any], how: Reading, role: str, read: Callable[[str], Value], default: str | None = None
) -> Value:
    try:
        return read(row[role] if default is None else row.get(role, default))
    except ValueError as error:
        raise ValueError(f"column {how.layout.heading(role)}: {error}") from None
