"""Answers as at a past instant (rule 9): what was known then, by the maps, rules, aliases and reference data of then.

A past instant is a database. `opened` makes one in which the tables are views of what was known at the instant, the
views of the migrations stand as they do in the present one, and the current marks and counts are derived again by the
very expressions of derive. So every statement that answers today answers as at the instant, without a word changed.

What was known at an instant never changes: an instant that is not settled yet is refused (`settled`), knowledge time
never moves, and reference data keeps every version. Two things take out of the past as well: erasure and retention.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from rollcall.domain.clock import LONDON, now
from rollcall.errors import ClickHouseError, UsageError
from sinks.as_at_marks import Instant, in_hand, marks_of, read_by_derive
from sinks.statements import load, split

__all__ = ["NO_PAST", "Known", "known", "opened", "settled", "sweep"]

#: Tables of which no past is told: how far workers and loaders are, and what keeps its newest rows only (the crosswalk:
#: a pair once given keeps its pupil, but whether it is ambiguous is said of now), or packs what stands now.
NO_PAST = frozenset(
    {
        "access_scope", "crosswalk", "epoch_claim", "erased_mark", "erasure", "ledger", "message_archive",
        "message_withheld", "pupil_week", "quarantine_message", "reference_position", "schema_migration", "touched",
    }
)  # fmt: skip
#: Knowledge time is fixed before the row that tells of it stands: by a worker at most its session timeout (10 s), by
#: the loader and the agents less. So long an instant is waited for before it is answered.
_SETTLES_IN = timedelta(seconds=10)
#: Longer than any answer takes. What is older was left by a process that was killed.
_LEFT_BEHIND = timedelta(hours=6)
_MILLISECOND = timedelta(milliseconds=1)
#: ClickHouse: ACCESS_DENIED, READONLY.
_MAY_NOT = frozenset({164, 497})
_CLOCK = "now('Europe/London')"
_OTHER_CLOCK = re.compile(r"\b(now|now64|today|yesterday|utc_timestamp|current_timestamp)\s*\(", re.I)
_TEXT = r"'(?:[^'\\]|\\.)*'"
_SAID = re.compile(rf"{_TEXT}|--[^\n]*")
_DEFINER = re.compile(r" DEFINER = \S+ SQL SECURITY DEFINER")


@dataclass(frozen=True, slots=True)
class Known:
    """By what a report was made. `at` None: as known when it was asked.

    `rules`, `categories`: 0 are those built in. `lesson_rules`: the latest that any school has published, 0 when none
    has (rule 7).
    """

    at: datetime | None
    code_map: int
    rules: int
    lesson_rules: int = 0
    categories: int = 0

    def as_json(self) -> dict[str, Any]:
        """As every report says it."""
        at = None if self.at is None else self.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return {"as_at": at, **self.versions}

    @property
    def versions(self) -> dict[str, int]:
        """The versions alone, by the names that every report gives them."""
        return {
            "code_map_version": self.code_map,
            "categories_version": self.categories,
            "rules_version": self.rules,
            "lesson_rules_version": self.lesson_rules,
        }

    @property
    def by(self) -> str:
        """The versions for a person; of what nobody has published only that the rules are those built in."""
        lessons = f", rules for lessons {self.lesson_rules}" if self.lesson_rules else ""
        categories = f", categories {self.categories}" if self.categories else ""
        return f"code map {self.code_map}{categories}, rules {self.rules or 'built in'}{lessons}"

    @property
    def in_words(self) -> str:
        """The same for a person."""
        when = "now" if self.at is None else f"at {_local(self.at)} (London)"
        return f"As known {when}, by {self.by}."


def known(client: Client, at: datetime | None) -> Known:
    """By what a report of `client` is made: one that `opened` gave for `at`, or (None) of the present."""
    (versions,) = client.query(load("versions_in_force")).result_rows
    return Known(at, *map(int, versions))


@contextmanager
def opened(
    client: Client, at: datetime, first: date, last: date, urns: Collection[int] = (), asks: Collection[str] = (),
    settle: bool = True, from_present: bool = True,
) -> Iterator[Client]:  # fmt: skip
    """A client that answers as at the instant `at`, of the session dates `first` to `last`, both inclusive.

    `urns`: of these schools alone; of all when empty. `asks`: the statements that will be asked, so that only what they
    read is made; everything when empty. `client` goes on answering as of now. An instant of the last seconds is waited
    for; not so where `settle` is False, and then the answer may change until the instant is settled. `from_present`
    False: current marks are derived again even where they stand now as they stood then. Needs a user who may create
    databases; what is made is dropped in the end, and what a killed process left is dropped by a later one.

    Raises UsageError for an instant that is not settled (`settled`), ClickHouseError when the user may not.
    """
    past = _name(client)
    try:
        if settle:
            settled(client, at)
        client.command(f"CREATE DATABASE `{past}`", use_database=False)
    except DatabaseError as error:
        if error.code in _MAY_NOT:
            raise ClickHouseError(
                "answers as at an instant are made in a database of their own, which this user may not create: ask as a"
                " user who may (ROLLCALL_CLICKHOUSE__USER)",
                error.code,
            ) from None
        raise
    try:
        sweep(client)
        then = copy.copy(client)
        then.database = past
        _make(client, then, Instant(str(client.database), at, first, last, urns), asks, from_present and settle)
        yield then
    finally:
        client.command(f"DROP DATABASE IF EXISTS `{past}` SYNC", use_database=False)


def settled(client: Client, at: datetime) -> None:
    """Wait until nothing more can become known of the instant `at`; seconds, and only where it is that recent.

    Raises UsageError when it lies ahead, or when a worker has begun a range of messages by then and not finished it:
    the message says which, and which instant is the latest that can be answered.
    """
    if at.tzinfo is None:
        raise UsageError("an instant needs its zone")
    ahead = at - now()
    if ahead > timedelta(0):
        raise UsageError(f"as at {_local(at)} (London) cannot be answered: it has not come yet")
    time.sleep(max(0.0, (ahead + _SETTLES_IN).total_seconds()))
    if (found := in_hand(client)) is not None and at >= found.begun:
        raise UsageError(
            f"as at {_local(at)} (London) cannot be answered yet: a worker of {found.group} has {found.range}, in hand."
            f" The latest instant that can be is {_local(found.begun - _MILLISECOND)}; if no worker runs, start one,"
            " and it finishes them"
        )


def sweep(client: Client, older_than: timedelta = _LEFT_BEHIND) -> None:
    """Drop the past instants of this database that are older: of processes that were killed, unless told otherwise."""
    named = re.compile(rf"{re.escape(_prefix(client))}(\d{{10}})_[0-9a-f]{{8}}")
    for (name,) in client.query(load("as_at_left"), parameters={"prefix": _prefix(client)}).result_rows:
        found = named.fullmatch(name)
        if found is not None and now() - datetime.fromtimestamp(int(found[1]), UTC) > older_than:
            client.command(f"DROP DATABASE IF EXISTS `{name}` SYNC", use_database=False)


def _make(client: Client, then: Client, of: Instant, asks: Collection[str], from_present: bool) -> None:
    there = f"`{then.database}`."
    made = client.query(load("as_at_made")).result_rows
    engines = {name: full for name, _, full, _ in made}
    views = {name: _as_at(text, of.database, there, of.at) for name, kind, _, text in made if kind == "View"}
    tables = _tables(of, engines)
    derived = dict.fromkeys(("mark_current", "school_session"), read_by_derive())
    makes = {**tables, **derived, **views, **dict.fromkeys(NO_PAST, "")}
    wanted = _read_by([*asks, load("versions_in_force")], makes, there) if asks else makes.keys()
    for name, statement in tables.items():
        if name in wanted:
            then.command(statement)
    fill = marks_of(client, then, of, engines, from_present) if wanted & derived.keys() else None
    for name, statement in views.items():
        if name in wanted and not NO_PAST & _read_by([statement], makes, there):
            then.command(statement)
    if fill is not None:
        fill()


def _tables(of: Instant, engines: Mapping[str, str]) -> dict[str, str]:
    """Table -> the statement that makes it a view, or a copy, of what was known."""
    text = of.told(
        "as_at_tables", assertions=load("verify_assertions"), periods=load("verify_periods"),
        spans=load("school_spans"), openings=load("school_openings"), calendars=load("school_calendars"),
        merged=load("merged_pupils"), wanted="true",
    )  # fmt: skip
    for place, value in {
        "{first_day:Date}": of.first_day, "{last_day:Date}": of.last_day, "{first:UInt32}": "0",
        "{last:UInt32}": str(2**32 - 1),
    }.items():  # fmt: skip
        text = text.replace(place, value)
    statements = {statement.split()[2]: statement for statement in split(text)}
    return {
        name: statement.replace(" AS", f" ENGINE = {engines[name]} AS", 1) if " TABLE " in statement[:16] else statement
        for name, statement in statements.items()
    }


def _as_at(statement: str, database: str, there: str, at: datetime) -> str:
    """The statement that made a view of the present, to make the same view of the past."""
    statement = _DEFINER.sub("", statement, count=1)
    statement = statement.replace(_CLOCK, f"toDateTime({int(at.timestamp())}, 'Europe/London')")
    if other := _OTHER_CLOCK.search(re.sub(_TEXT, "", statement)):
        raise ClickHouseError(f"a view asks {other[1]}(), of which no past is known: {statement[:60]} ...")
    of_now = rf"{_TEXT}|`?\b{re.escape(database)}\b`?\.(?=\w)"
    return re.sub(of_now, lambda found: found[0] if found[0][0] == "'" else there, statement)


def _read_by(asks: Collection[str], makes: Mapping[str, str], there: str) -> set[str]:
    """What statements read of `makes` (name -> its own statement), what that reads in turn included.

    A view says exactly what it reads. Of other statements every word counts: a name too many does no harm.
    """
    found: set[str] = set()
    open_ends = list(asks)
    while open_ends:
        text = _SAID.sub("", open_ends.pop())
        names = set(re.findall(rf"{there}(\w+)" if there in text else r"\w+", text))
        open_ends += [makes[name] for name in names & makes.keys() - found]
        found |= names & makes.keys()
    return found


def _prefix(client: Client) -> str:
    return f"{client.database}_as_at_"


def _name(client: Client) -> str:
    return f"{_prefix(client)}{int(now().timestamp()):010d}_{uuid4().hex[:8]}"


def _local(at: datetime) -> str:
    """2025-09-10 16:00, with seconds and what is finer where there are any."""
    local = at.astimezone(LONDON).replace(tzinfo=None)
    whole_minute = not (local.second or local.microsecond)
    return local.isoformat(" ", "minutes" if whole_minute else "auto")
