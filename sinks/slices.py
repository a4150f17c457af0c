"""The history in slices that fit in memory, for whoever makes the derived tables again (verify, as at an instant)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.statements import load

__all__ = ["Slice", "slices"]

#: Deliveries of a slice: what one comparison holds in memory, about 1 GB. Several small days are one slice, because a
#: comparison costs three statements however little it compares.
_SLICE = 2_000_000
_LARGEST_URN = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Slice:
    """Days and schools that are made again at once, all bounds inclusive; `days`: how many dates that is."""

    first_day: date
    last_day: date
    first: int = 0
    last: int = _LARGEST_URN
    days: int = 1


def slices(client: Client, days: Sequence[Sequence[Any]]) -> Iterator[Slice]:
    """Slices that together cover all of `days` (date, deliveries; ascending) and hold about `_SLICE` deliveries each:
    days that follow each other, or a part of the schools of one day that is larger than that.
    """
    together: list[date] = []
    held = 0
    for day, deliveries in days:
        if together and held + deliveries > _SLICE:
            yield Slice(together[0], together[-1], days=len(together))
            together, held = [], 0
        if deliveries > _SLICE:
            yield from _parts(client, day)
        else:
            together.append(day)
            held += deliveries
    if together:
        yield Slice(together[0], together[-1], days=len(together))


def _parts(client: Client, day: date) -> Iterator[Slice]:
    """One day cut by URNs. It is done with its last part."""
    first, held = 0, 0
    for urn, deliveries in client.query(load("verify_schools"), parameters={"day": day}).result_rows:
        if held and held + deliveries > _SLICE:
            yield Slice(day, day, first, urn - 1, days=0)
            first, held = urn, 0
        held += deliveries
    yield Slice(day, day, first)
