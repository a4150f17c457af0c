"""The lists that a school's records lean on: what its codes and periods are called, by id. Elsewhere ids mean others.

They are read for every pull. Only a cut of a snapshot that asks what changed takes those of the cut before, until a
record names what they do not hold: an hour changes marks, and hardly ever what codes mean. A cut that reads the day
whole reads them anew.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from connectors.contract import Pull, Window

__all__ = ["Lists", "Remembered"]

#: By school: the days of a snapshot, and each list read for it as JSON. There may be 24,500 schools of fifty codes.
Remembered = dict[str, tuple[Window, dict[str, str]]]


@dataclass
class Lists:
    """Of one pull. read: a resource's names by id, from the school; raises as `Connector.pull` does."""

    pull: Pull
    read: Callable[[str], Awaitable[dict[str, str]]]
    remembered: Remembered
    _found: dict[str, dict[str, str]] = field(default_factory=dict)
    _anew: set[str] = field(default_factory=set)

    async def names(self, resource: str, ids: Iterable[object] = ()) -> Mapping[str, str]:
        """The names of a list, which holds these ids if the school's own does."""
        found = self._found.get(resource) or self._of_the_cut_before(resource)
        if found is None or (resource not in self._anew and any(str(one) not in found for one in ids)):
            found = await self.read(resource)
            self._anew.add(resource)
            self._remember(resource, found)
        self._found[resource] = found
        return found

    def _of_the_cut_before(self, resource: str) -> dict[str, str] | None:
        days, lists = self.remembered.get(self.pull.source.id, (None, {}))
        if self.pull.complete or days is None or days != self.pull.window or resource not in lists:
            return None
        found: dict[str, str] = json.loads(lists[resource])
        return found

    def _remember(self, resource: str, found: Mapping[str, str]) -> None:
        if self.pull.snapshot is None or self.pull.window is None:
            return
        days, lists = self.remembered.get(self.pull.source.id, (None, {}))
        kept = lists if days == self.pull.window else {}
        self.remembered[self.pull.source.id] = self.pull.window, {**kept, resource: json.dumps(found)}
