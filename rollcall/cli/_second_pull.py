"""Compares schools with their sources, one after the other: a second pull, or their summaries, with what we hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeAlias

from rollcall.domain.comparison import DIFFERENCES, Comparison, Mark, compare
from rollcall.domain.summaries import SummaryComparison, compare_summaries
from rollcall.errors import RollcallError, SchemaError, UsageError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from connectors.contract import Window
    from connectors.second_pull import Asked
    from rollcall.settings import Settings
    from schemas.registry import Registry
    from sinks.held import Pupils, Refused

    _One: TypeAlias = Callable[[Asked, "SchoolAccount"], Awaitable[None]]

__all__ = ["SchoolAccount", "by_pull", "by_summary"]


@dataclass(slots=True)
class SchoolAccount:
    """What was found at one school. why: why nothing is said of it, empty when it was compared.

    school and urn are None for a source of which not even the schools could be asked. pulled_at: when its last whole
    pull began. unreadable: reason -> records of the source that no mark could be made of.
    """

    source: str
    school: str | None
    urn: int | None
    why: str = ""
    pulled_at: datetime | None = None
    unreadable: Counter[str] = field(default_factory=Counter)
    marks: Comparison | None = None
    summary: SummaryComparison | None = None

    @property
    def differences(self) -> int:
        """Marks that differ, or (by summary) pupils with another count."""
        if self.summary is not None:
            return self.summary.pupils_differing
        return 0 if self.marks is None else sum(self.marks.count(kind) for kind in DIFFERENCES)

    @property
    def proved(self) -> bool:
        """Whether it was compared whole, and nothing differs."""
        return not (self.why or self.unreadable or self.differences)


async def by_pull(
    settings: Settings, client: Client, window: Window, names: Sequence[str], urns: Sequence[int], today: date | None
) -> list[SchoolAccount]:
    """Compare a second whole pull of a window, school by school. Raises UsageError, ConfigError as pulls do."""
    from schemas.registry import Registry

    with Registry(settings.registry.url) as registry:

        async def one(school: Asked, account: SchoolAccount) -> None:
            from sinks import held

            place = (school.name, school.source.urn, window.first_day, window.last_day)
            theirs = await school.whole(window)
            # Ours after theirs, and what has changed after both: so a pull that runs meanwhile makes no difference.
            ours = held.marks(client, *place)
            said = ours.pupils.of_marks(theirs.marks)
            account.unreadable = theirs.unreadable
            account.marks = compare(said, ours.marks)
            if account.differences:
                refused = _refused(registry, held.refused(client, *place), ours.pupils)
                later = theirs.changed | await school.changed()
                account.marks = compare(said, ours.marks, refused, later)

        return await _each(settings, names, urns, today, one)


async def by_summary(
    settings: Settings, client: Client, first: date, last: date, names: Sequence[str], urns: Sequence[int]
) -> list[SchoolAccount]:
    """Compare the sources' summaries of the year with ours from `first` to `last`. Raises as above, and UsageError for
    a make without summaries."""

    async def one(school: Asked, account: SchoolAccount) -> None:
        from sinks import held

        theirs = await school.summaries()
        ours = held.year(client, school.name, school.source.urn, first, last)
        known = [summary._replace(pupil=ours.pupils.of(summary.pupil)) for summary in theirs]
        account.summary = compare_summaries(known, ours.codes, school.pulled_at)

    return await _each(settings, names, urns, last, one)


async def _each(
    settings: Settings, names: Sequence[str], urns: Sequence[int], today: date | None, one: _One
) -> list[SchoolAccount]:
    from connectors.second_pull import NotAsked, schools

    accounts = []
    async with aclosing(schools(settings, names=names, urns=urns, today=today)) as found:
        async for school in found:
            if isinstance(school, NotAsked):
                accounts.append(SchoolAccount(school.name, school.school, school.urn, school.why))
                continue
            account = SchoolAccount(school.name, school.source.id, school.source.urn, pulled_at=school.pulled_at)
            try:
                await one(school, account)
            except UsageError:
                raise
            except (RollcallError, OSError) as error:
                account.why, account.marks, account.summary = str(error), None, None
            accounts.append(account)
    asked = {account.urn for account in accounts}
    accounts += [
        SchoolAccount(", ".join(names), None, urn, "no source that was asked pulls it today")
        for urn in urns
        if urn not in asked
    ]
    return accounts


def _refused(registry: Registry, messages: Sequence[Refused], pupils: Pupils) -> dict[Mark, str]:
    """The marks in quarantine, and why. A message that cannot be decoded holds no mark that anybody could compare."""
    from connectors.second_pull import mark_of
    from schemas.decoding import Decoder
    from schemas.registry import RegistryAway, UnknownSchemaId

    found: dict[Mark, str] = {}
    decoder = Decoder(registry)
    for message in messages:
        try:
            record = decoder.decode(message.value)
        except RegistryAway:
            raise SchemaError("the schema registry does not answer: what is in quarantine cannot be read") from None
        except (UnknownSchemaId, ValueError):
            continue
        for item, mark in enumerate(record["marks"]):
            reason = message.reasons.get(item, message.reasons.get(-1))
            if reason is not None:
                found[pupils.of_marks([mark_of(mark)])[0]] = reason
    return found
