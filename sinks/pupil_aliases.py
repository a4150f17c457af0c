"""Aliases of pupils: what was published, what is in force, and what may not be published beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.pupil_aliases import PupilAlias
from rollcall.errors import UsageError
from sinks.statements import load

__all__ = ["Enrolled", "Named", "Published", "check_beside", "enrolled", "history", "named"]


class Published(NamedTuple):
    """An alias of a version, or (`kind` undo, `to_pupil_id` 0) that there is none. `urn` 0 and `source` '' are any."""

    pupil_id: int
    version: int
    urn: int
    source: str
    first_day: date
    last_day: date
    to_pupil_id: int
    kind: str
    author: str
    reason: str
    published_at: datetime
    in_force: bool


class Named(NamedTuple):
    """What a school's systems call a pupil. Personal data."""

    urn: int
    scheme: str
    ref: str
    pupil_id: int
    upn_invalid: bool
    upn_shared: bool
    ambiguous: bool


class Enrolled(NamedTuple):
    """A pupil on roll at a school, first and last day inclusive."""

    urn: int
    pupil_id: int
    first_day: date
    last_day: date
    status: str
    year_group: str
    #: Of the authority in whose area the pupil lives; empty when nobody says.
    residence_la_code: str = ""


def history(client: Client, pupils: Sequence[int] = ()) -> list[Published]:
    """Every version of the aliases from or to these pupils, of all when none is given; the earliest first."""
    rows = client.query(load("pupil_aliases"), parameters={"pupils": list(pupils)}).result_rows
    return [
        Published._make((*said, published_at.replace(tzinfo=UTC), bool(in_force)))
        for *said, published_at, in_force in rows
    ]


def named(client: Client, pupils: Sequence[int] = (), reference: tuple[int, str, str] = (0, "", "")) -> list[Named]:
    """What the crosswalk calls these pupils, and whom it means by a reference (urn, scheme, ref)."""
    urn, scheme, ref = reference
    asked = {"pupils": list(pupils), "urn": urn, "scheme": scheme, "ref": ref}
    return [Named(*row) for row in client.query(load("pupil_named"), parameters=asked).result_rows]


def enrolled(client: Client, pupils: Sequence[int]) -> list[Enrolled]:
    """Where and when these pupils are on roll, by the roster in force."""
    rows = client.query(load("pupil_enrolled"), parameters={"pupils": list(pupils)}).result_rows
    return [Enrolled(*row) for row in rows]


def check_beside(client: Client, pupil_id: int, aliases: Sequence[PupilAlias]) -> None:
    """Raises UsageError when these aliases of a pupil must not be published beside what is in force: no chains."""
    others = [one for one in history(client) if one.in_force and one.pupil_id != pupil_id]
    if aliases and (leading := [one.pupil_id for one in others if one.to_pupil_id == pupil_id]):
        raise UsageError(
            f"marks of pupil {leading[0]} count for {pupil_id}, so that its own cannot count for another:"
            f" undo that first (rollcall identity undo {leading[0]})"
        )
    for one in aliases:
        if further := [other.to_pupil_id for other in others if other.pupil_id == one.to_pupil_id]:
            raise UsageError(
                f"marks of pupil {one.to_pupil_id} count for {further[0]}: name {further[0]} instead, or undo that"
                " first"
            )
        if one.kind == "merge" and not named(client, [one.to_pupil_id]):
            raise UsageError(f"no roster knows pupil {one.to_pupil_id}")
    if not named(client, [pupil_id]):
        raise UsageError(f"no roster knows pupil {pupil_id}")
