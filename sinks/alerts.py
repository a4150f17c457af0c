"""What a person should look at, asked of the tables: registers overdue, sources silent, quarantine growing at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import LONDON, london_date, session_opens
from sinks.statements import load

__all__ = ["Found", "found", "overdue", "silent", "surges"]

#: A source that sent nothing for so many days has stopped, and is no news today.
_FORTNIGHT = timedelta(days=14)
#: A surge is so many refusals of a school in an hour for one reason, and every tenth mark of what came from it.
SURGE_AT_LEAST, SURGE_ONE_IN = 20, 10
_HOUR = timedelta(hours=1)


class Found(NamedTuple):
    """One finding: `attendance.alert.v1` without its id. Texts are None where the kind has none of them."""

    kind: str
    urn: int
    session_date: date
    session: str | None
    group_id: str | None
    source: str | None
    reason: str | None
    window_from: datetime
    window_to: datetime
    found: int

    @property
    def subject(self) -> tuple[str, ...]:
        """What the finding is about, without its numbers: the same again is the same finding. Also its window."""
        parts = (self.kind, self.urn, self.session_date, self.session, self.group_id, self.source, self.reason)
        window = self.window_from.isoformat() if self.kind == "quarantine_surge" else ""
        return (*("" if part is None else str(part) for part in parts), window)


def found(client: Client, at: datetime) -> list[Found]:
    """Everything to be said at an instant. Raises clickhouse_connect's errors."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    # The hour before as well: a surge in its last minutes would be seen by nobody.
    return [*overdue(client, at), *silent(client, at), *surges(client, hour - _HOUR), *surges(client, hour)]


def overdue(client: Client, at: datetime) -> list[Found]:
    """Registers of the London day that are past their closing, and none of whose pupils has a mark that stands."""
    day, time = _london(at)
    rows = client.query(load("alerts_overdue"), parameters={"day": day, "time": time}).result_rows
    return [
        Found(
            "register_overdue", int(urn), day, session, group_id, None, None,
            session_opens(day, opens), session_opens(day, closes), int(pupils),
        )
        for urn, session, group_id, opens, closes, pupils in rows
    ]  # fmt: skip


def silent(client: Client, at: datetime) -> list[Found]:
    """Sources that spoke for a school in the fortnight before, and have not for a session whose registers are closed.

    The morning is heard from midnight on, the afternoon from noon or from its opening, if that is earlier.
    """
    day, time = _london(at)
    begins = session_opens(day, "00:00")
    span = {"from": _ms(begins - _FORTNIGHT), "until": _ms(begins), "end": _ms(at)}
    result: list[Found] = []
    for urn, source, session, opens, closes, last_heard in client.query(
        load("alerts_silent"), parameters={"day": day, "time": time, **span}
    ).result_rows:
        opened, closed = session_opens(day, opens), session_opens(day, closes)
        since = begins if session == "AM" else min(opened, session_opens(day, "12:00"))
        if int(last_heard) < _ms(since):
            result.append(Found("source_silent", int(urn), day, session, None, source, None, since, closed, found=1))
    return result


def surges(client: Client, hour: datetime) -> list[Found]:
    """Reasons for which much of what came from a school in that hour (UTC) was refused."""
    parameters = {"from": _ms(hour), "until": _ms(hour + _HOUR), "at_least": SURGE_AT_LEAST}
    rows = client.query(load("alerts_surge"), parameters=parameters).result_rows
    return [
        Found(
            "quarantine_surge", int(urn), london_date(hour), None, None, None, reason, hour, hour + _HOUR, int(refused)
        )
        for urn, reason, refused, marks in rows
        if int(refused) * SURGE_ONE_IN >= int(marks)
    ]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _london(at: datetime) -> tuple[date, str]:
    """The London day and time of day, HH:MM, of an instant."""
    local = at.astimezone(LONDON)
    return local.date(), f"{local:%H:%M}"
