"""Rows of the OData profile in our words. Pure functions; a row that cannot be read raises ValueError: why, not what.

Field names: the data provision profile of the Open Education Analytics community (domain facts 4.7):
{"Id":"AS-8841273","SchoolURN":"139352","UPN":"...","PupilId":"PUP-99213","SessionDate":"2026-06-23","Session":"AM",
"Mark":"L","Modified":"2026-06-23T09:02:11Z","IsDeleted":false}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from connectors.encoding import days, milliseconds
from connectors.pupils import PupilReference, UpnKey
from connectors.records import text
from rollcall.domain.clock import date_as_written, parse_local

__all__ = ["FIELDS", "KEPT_FIELDS", "day_said", "is_deleted", "mark", "modified", "of_school", "record_id"]

#: What is asked for: nothing that names a pupil, nothing that is a comment.
FIELDS = ("Id", "SchoolURN", "UPN", "PupilId", "SessionDate", "Session", "Mark", "Modified", "IsDeleted")
#: What may stand in a refused row that is kept. No UPN, and no Mark: a text that is no code may be a comment.
KEPT_FIELDS = frozenset(FIELDS) - {"UPN", "Mark"}
#: Longer than any code: what the worker refuses as malformed still goes there, a whole text does not.
_LONGEST_CODE = 64


def of_school(row: Mapping[str, Any], school_id: str) -> bool:
    """Whether a row is of this school: a service that ignores `$filter` sends the rows of all. Raises ValueError."""
    return text(row, "SchoolURN", "the school's URN") == school_id


def modified(row: Mapping[str, Any]) -> datetime | None:
    """When the row was changed last, UTC; None when it does not say. Without an offset it is London time (rule 8)."""
    said = row.get("Modified")
    if said is None:
        return None
    try:
        return parse_local(str(said)).instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("a time cannot be read") from None


def is_deleted(row: Mapping[str, Any]) -> bool:
    """Whether the row says that its record is gone."""
    return row.get("IsDeleted") in (True, 1, "1", "true", "True")


def record_id(row: Mapping[str, Any]) -> str:
    """The service's id of the row."""
    return text(row, "Id", "the record's id")


def day_said(row: Mapping[str, Any], name: str) -> date:
    """The day that a field says, with a time and zone behind it or not, never shifted (rule 8)."""
    try:
        return date_as_written(str(row.get(name)))
    except ValueError:
        raise ValueError("a date cannot be read") from None


def mark(row: Mapping[str, Any], scheme: str, upn_key: UpnKey) -> dict[str, Any]:
    """A row of AttendanceSessions as a mark of `attendance.mis.v1`.

    scheme: that of the service's PupilIds. A pupil is named by the PupilId, because it resolves where a UPN is wrong
    (rule 5), and by the UPN's keyed hash only where there is none.
    """
    pupil = _pupil(row, scheme, upn_key)
    changed = modified(row)
    return {
        "record_id": record_id(row),
        "pupil_ref": pupil.ref,
        "pupil_scheme": pupil.scheme,
        "session_date": days(day_said(row, "SessionDate")),
        "session": text(row, "Session", "the session").upper(),
        "period": None,
        "code": _code(row),
        "minutes_late": None,
        "modified_at": None if changed is None else milliseconds(changed),
    }


def _pupil(row: Mapping[str, Any], scheme: str, upn_key: UpnKey) -> PupilReference:
    if row.get("PupilId") in (None, ""):
        return upn_key.reference(text(row, "UPN", "the pupil's id"))
    return PupilReference(scheme, text(row, "PupilId", "the pupil's id"))


def _code(row: Mapping[str, Any]) -> str:
    """The Mark as it is; null is the blank that means no mark (rule 3)."""
    code = row.get("Mark", 0)
    if code is None:
        return ""
    if not isinstance(code, str) or len(code) > _LONGEST_CODE:
        raise ValueError("the mark is missing")
    return code
