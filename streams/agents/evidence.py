"""What a sign-in says of a session, by the school's own register times. The same event and times, the same answer.

A sign-in before the session's registers open says present, while they are open L (late), after they closed U. Whether
anybody believes it is not decided here: evidence never changes a statutory figure (rule 17).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from rollcall.domain.clock import london_date, session_opens
from rollcall.domain.codes import NATIONAL

__all__ = ["Said", "Window", "afternoon_begins", "submission_id", "to_record", "what_it_says"]

#: Ids of evidence are UUIDs made in this namespace out of the event's source and idempotency key.
_EVIDENCE = UUID("5a1a6f0e-2f43-5f0e-8a55-0b5b1d1f7c10")
_PRESENT = {"AM": "/", "PM": "\\"}
#: No MIS takes more; a whole day has as many.
_MINUTES_AT_MOST = 1_440
_MINUTE = timedelta(minutes=1)


class Window(NamedTuple):
    """When the first register of a session opens and the last one closes. UTC; closed from `closes` on."""

    opens: datetime
    closes: datetime


class Said(NamedTuple):
    """What a sign-in says: of which session, with which national code, how many minutes after the opening."""

    session_date: date
    session: str
    code: str
    minutes_late: int | None
    window: Window


def afternoon_begins(day: date, windows: Mapping[str, Window]) -> datetime:
    """From when on a sign-in is about the afternoon: noon in London, or the afternoon's opening if that is earlier."""
    noon = session_opens(day, "12:00")
    return min(noon, windows["PM"].opens) if "PM" in windows else noon


def what_it_says(event_at: datetime, windows: Mapping[str, Window]) -> Said | None:
    """What a sign-in at this instant says. windows: by session, of its school and London day.

    None where the school expects no register of that session: then nobody knows what late means.
    """
    day = london_date(event_at)
    session = "AM" if event_at < afternoon_begins(day, windows) else "PM"
    window = windows.get(session)
    if window is None:
        return None
    if event_at < window.opens:
        return Said(day, session, _PRESENT[session], None, window)
    late = min((event_at - window.opens) // _MINUTE, _MINUTES_AT_MOST)
    return Said(day, session, "L" if event_at < window.closes else "U", late, window)


def submission_id(event: Mapping[str, Any]) -> str:
    """The id of the evidence that an event gives: a function of its source and idempotency key."""
    return str(uuid5(_EVIDENCE, f"{event['source']}\n{event['idempotency_key']}"))


def to_record(event: Mapping[str, Any], said: Said) -> dict[str, Any]:
    """The record for `attendance.evidence.v1`."""
    return {
        "submission_id": submission_id(event),
        "urn": event["urn"],
        "source": event["source"],
        "group_id": "",
        "session_date": said.session_date,
        "session": said.session,
        "period": None,
        "complete": False,
        "revision": 1,
        "opened_at": said.window.opens,
        "closed_at": said.window.closes,
        "submitted_at": event["event_at"],
        "taken_by": event["device"],
        "code_scheme": NATIONAL,
        "marks": [
            {
                "pupil_ref": event["person_ref"],
                "pupil_scheme": event["scheme"],
                "code": said.code,
                "minutes_late": said.minutes_late,
            }
        ],
    }
