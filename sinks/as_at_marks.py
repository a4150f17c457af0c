"""Current marks and counts as at a past instant, in the database that sinks/as_at.py makes of it.

What the rule makes of a pupil and session depends on what was delivered of them and on what is published, so what
stands now stood then wherever nothing of either came since. Where that is most of it, only the others are derived
again, by the very expressions of derive; where it is not, or where it cannot be told, everything is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import now
from sinks.derive import (
    counts_expression,
    current_expression,
    fill_counts,
    fill_current,
    in_use,
    latest_publication,
    stale_expression,
)
from sinks.slices import Slice, slices
from sinks.statements import load, split

__all__ = ["InHand", "Instant", "in_hand", "marks_of", "read_by_derive"]

#: More than one delivery in so many came later: deriving everything again costs no more.
_FEW = 8
#: Between the clocks of those who write.
_CLOCKS_DIFFER = timedelta(seconds=10)
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SETTINGS = {"async_insert": 0, "optimize_on_insert": 0, "insert_deduplicate": 0}
#: Of the pupil-sessions for which the rule must be asked (as_at_several.sql).
_SEVERAL = load("verify_assertions").replace("FROM mark_event FINAL", "FROM mark_event_several FINAL")
_SAID_AGAIN = load("slice_reasserted")
_BY_THE_RULE = current_expression(_SEVERAL, _SAID_AGAIN, publication="{publication:UInt64}")
#: The same where a school had a rule by which a session's mark follows from lessons (rule 7).
_WITH_LESSONS = current_expression(
    _SEVERAL, _SAID_AGAIN, publication="{publication:UInt64}", lessons=load("as_at_lessons")
)  # fmt: skip
_COUNTS = counts_expression(load("as_at_slice"), load("verify_no_counts"))
#: Those of sessions that cannot be counted by what came later alone (as_at_counted.sql).
_COUNTED_AGAIN = counts_expression(load("as_at_counted"), load("verify_no_counts"))


@dataclass(frozen=True, slots=True)
class Instant:
    """What a database of the past is made of: the present one, an instant, session dates (both inclusive), schools."""

    database: str
    at: datetime
    first: date
    last: date
    urns: Collection[int] = ()

    def told(self, name: str, **values: str) -> str:
        """The text of sinks/sql with all of that filled in, and further ``values``."""
        text = load(name)
        for place, value in {**values, **self._values()}.items():
            text = text.replace(f"{{{place}}}", value)
        return text

    @property
    def first_day(self) -> str:
        """The first session date, as SQL says it."""
        return f"toDate('{self.first.isoformat()}')"

    @property
    def last_day(self) -> str:
        """The last session date, as SQL says it."""
        return f"toDate('{self.last.isoformat()}')"

    def _values(self) -> dict[str, str]:
        schools = ", ".join(str(int(urn)) for urn in sorted(set(self.urns)))
        return {
            "now": f"`{self.database}`",
            "at": f"toDateTime64('{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')",
            "first": self.first_day, "last": self.last_day,
            "schools": f"urn IN ({schools})" if schools else "true",
            "key": " ".join(split(load("as_at_key"))),
        }  # fmt: skip


class InHand(NamedTuple):
    """A range that was begun and is not finished."""

    group: str
    #: Topic, partition and offsets, in words.
    range: str
    #: Its knowledge time.
    begun: datetime


def in_hand(client: Client) -> InHand | None:
    """The range that was begun first of those that are not finished, of any group."""
    for group, topic, partition, first, final, ingested_ms in client.query(load("as_at_in_hand")).result_rows:
        return InHand(group, f"{topic}/{partition}, offsets {first}-{final}", _EPOCH + int(ingested_ms) * _MILLISECOND)
    return None


def read_by_derive() -> str:
    """Statements that read, between them, all that is read here of the tables of the past."""
    also = ("as_at_several", "as_at_several_lessons", "as_at_alone", "derive_existing", "derive_in_use")
    return " ".join([_WITH_LESSONS, _COUNTS, *map(load, also)])


def marks_of(
    client: Client, then: Client, of: Instant, engines: Mapping[str, str], from_present: bool = True
) -> Callable[[], None]:
    """Make mark_current and school_session in the database of ``then``; what is returned fills them.

    They are filled out of its other tables and views, and of what stands now. ``engines``: the tables' engines in full.
    ``from_present`` False: derive everything again, whatever stands now.
    """
    days = client.query(of.told("as_at_days")).result_rows
    few = _FEW * sum(later for _, _, later in days) <= sum(deliveries for _, deliveries, _ in days)
    then.command("CREATE TABLE as_at_several (key UInt64) ENGINE = Memory")
    _, publication = latest_publication(then)
    if from_present and few:
        counted_until = _counted_until(client)
        _set_aside(client, then, of, engines)
        # Only after what stands is set aside: what has come or was published by now may be in it.
        if _stands(client, of):
            _make_from_present(then, of, publication)
            parts = slices(client, [(day, later) for day, _, later in days])
            known = {"publication": publication, "counted_until": counted_until}
            return lambda: _what_came_later(then, of, parts, known)
    for name in ("mark_current", "school_session"):
        then.command(f"CREATE TABLE {name} AS `{of.database}`.{name}")
    then.command(of.told("as_at_several_marks", history="mark_event"))
    parts = slices(client, [(day, deliveries) for day, deliveries, _ in days])
    return lambda: _again(then, of, parts, publication)


def _again(then: Client, of: Instant, parts: Iterable[Slice], publication: int) -> None:
    """Derive and count everything."""
    from_lessons = in_use(then).from_lessons
    for one in parts:
        parameters = {**asdict(one), "publication": publication}
        _derive(then, of, parameters, "mark_event", "mark_current", from_lessons)
        fill_counts(then, _COUNTS, parameters, _SETTINGS)


def _derive(
    then: Client, of: Instant, parameters: dict[str, Any], history: str, into: str, from_lessons: bool = False
) -> None:
    """A slice: by the rule, and without it where there is nothing to choose from."""
    alone = load("derive_existing").replace("{assertions}", of.told("as_at_alone_assertions", history=history))
    then.command(of.told("as_at_several", history=history), parameters=parameters, settings=_SETTINGS)
    if from_lessons:
        then.command(of.told("as_at_several_lessons"), parameters=parameters, settings=_SETTINGS)
    fill_current(then, of.told("as_at_alone").replace("{existing}", alone), parameters, _SETTINGS, into)
    fill_current(then, _WITH_LESSONS if from_lessons else _BY_THE_RULE, parameters, _SETTINGS, into)


# ---- out of what stands now


def _counted_until(client: Client) -> datetime:
    """What was taken in before is derived and counted by now: workers have finished all that they began before."""
    found = in_hand(client)
    return (now() if found is None else min(now(), found.begun)) - _CLOCKS_DIFFER


def _set_aside(client: Client, then: Client, of: Instant, engines: Mapping[str, str]) -> None:
    """Keep what stands now of the months asked for, whatever comes meanwhile."""
    engine = {"engine": engines["mark_current"], "counts_engine": engines["school_session"]}
    for statement in split(of.told("as_at_standing", **engine)):
        then.command(statement)
    for name in ("school_session", "mark_current"):
        asked = {"table": name, "first": of.first, "last": of.last}
        for (partition,) in client.query(load("as_at_partitions"), parameters=asked).result_rows:
            then.command(f"ALTER TABLE {name}_standing ATTACH PARTITION ID '{partition}' FROM `{of.database}`.{name}")


def _stands(client: Client, of: Instant) -> bool:
    """Whether a pupil and session of which nothing came since stands by what held at the instant."""
    if not client.query(of.told("as_at_same_rules")).result_rows[0][0]:
        return False
    schemes: dict[str, Any] = {"schemes": []}
    mapped = of.told("as_at_mapped", changes=load("rederive_changes"))
    return not any(
        client.query(f"SELECT count() FROM {stale_expression()}", parameters={**schemes, "day": day}).result_rows[0][0]
        for (day,) in client.query(mapped, parameters=schemes).result_rows
    )


def _make_from_present(then: Client, of: Instant, publication: int) -> None:
    """The two as views of what stands and of what is derived again."""
    made = of.told("as_at_later_made"), of.told("as_at_from_present", publication=str(publication))
    several = of.told("as_at_several_marks", history="mark_event_later")
    for statement in (*split(made[0]), several, *split(made[1])):
        then.command(statement)


def _what_came_later(then: Client, of: Instant, parts: Iterable[Slice], known: Mapping[str, Any]) -> None:
    """Derive the pupil-sessions again of which something came later, and count their schools' sessions."""
    for one in parts:
        parameters = {**asdict(one), **known}
        then.command(of.told("as_at_later"), parameters=parameters, settings=_SETTINGS)
        then.command(of.told("as_at_later_history"), parameters=parameters, settings=_SETTINGS)
        _derive(then, of, parameters, "mark_event_later", "mark_current_then")
        then.command("TRUNCATE TABLE mark_event_later")
        then.command(of.told("as_at_counts_of_later"), parameters=parameters, settings=_SETTINGS)
        fill_counts(then, _COUNTED_AGAIN, parameters, _SETTINGS, into="school_session_then")
