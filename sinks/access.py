"""Who may see which schools: what a user is granted by school, local authority and trust, and what was taken back."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import OPEN_END, now
from rollcall.errors import UsageError
from sinks.statements import load

__all__ = ["KINDS", "USER", "Said", "grant", "listed", "revoke", "schools"]

#: What a scope may name.
KINDS = ("urn", "la", "trust")
#: How a user is named, here and at the embedded front.
USER = re.compile(r"[A-Za-z][A-Za-z0-9._@-]{0,63}")
_VALUE = {"urn": re.compile(r"[1-9]\d{0,8}"), "la": re.compile(r"\d{3}"), "trust": re.compile(r"[\w.-]{1,64}")}
_COLUMNS = ("user", "kind", "value", "said_at", "granted", "valid_from", "valid_to", "author", "reason")


class Said(NamedTuple):
    """What was said last of a user and a school, local authority or trust."""

    user: str
    kind: str
    value: str
    granted: bool
    valid_from: date
    valid_to: date
    author: str
    reason: str
    said_at: datetime

    def in_force(self, day: date) -> bool:
        """Whether the user may see these schools on this day."""
        return self.granted and self.valid_from <= day <= self.valid_to


def grant(
    client: Client, user: str, kind: str, value: str, *, author: str, reason: str, valid_from: date,
    valid_to: date = OPEN_END,
) -> Said:  # fmt: skip
    """Let a user see a school, or the schools of an LA or trust, on these days (of asking, inclusive).

    It takes the place of what was said of the same user, kind and value before. Raises UsageError for a user, kind or
    value that cannot be one, days in the wrong order, or no author or reason.
    """
    if valid_to < valid_from:
        raise UsageError(f"access from {valid_from} until {valid_to}: the last day is before the first")
    return _say(client, Said(user, kind, value, True, valid_from, valid_to, author, reason, now()))


def revoke(client: Client, user: str, kind: str, value: str, *, author: str, reason: str) -> Said:
    """Take it back, at once. Raises UsageError as `grant`, and when the user has no such access."""
    before = [one for one in listed(client, user) if (one.kind, one.value) == (kind, value)]
    if not before or not before[0].granted:
        raise UsageError(
            f"{user} has no access to {kind} {value}: `rollcall access list --user {user}` shows what there is"
        )
    last = before[0]
    return _say(client, Said(user, kind, value, False, last.valid_from, last.valid_to, author, reason, now()))


def listed(client: Client, user: str = "") -> list[Said]:
    """What was said last of each, of one user or (empty) of all, taken back or not."""
    return [Said(*row) for row in client.query(load("access_listed"), parameters={"user": user}).result_rows]


def schools(client: Client, user: str) -> list[int]:
    """The URNs that a user may see today."""
    return [urn for (urn,) in client.query(load("access_schools"), parameters={"user": user}).result_rows]


def _say(client: Client, said: Said) -> Said:
    if not USER.fullmatch(said.user):
        raise UsageError(f"{said.user!r} is no name of a user: a letter, then up to 63 letters, digits, . _ @ or -")
    if said.kind not in KINDS or not _VALUE[said.kind].fullmatch(said.value):
        raise UsageError(
            f"{said.kind} {said.value!r}: a URN, the three digits of an LA, or the id of a trust is wanted"
        )
    if not said.author or not said.reason:
        raise UsageError("say who decided it with --author and why with --reason: both are kept")
    row = said._asdict()
    client.insert(
        "access_scope", [[row[name] for name in _COLUMNS]], column_names=_COLUMNS, settings={"async_insert": 0}
    )
    return said
