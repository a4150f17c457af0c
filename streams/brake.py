"""The brake: a partition waits when most of its schools that passed before now fail. Something else is wrong than they.

A roster that came empty or a deploy that sends other bytes refuses everything of a school that was well a minute ago.
Nothing would be lost by going on, what is refused heals, but a person should look before a whole day is in quarantine.
Only schools that had marks taken in since the worker got the partition are counted: a new school is never the reason.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from streams.batch import TopicRange

__all__ = ["Brake", "Judged"]

#: A school fails when so many of its marks in a row were refused: a page of one unknown pupil says nothing yet.
_MARKS_REFUSED = 10
#: Fewer schools than these are no reason to stop the others.
_SCHOOLS = 3

#: Topic and partition.
Place = tuple[str, int]


@dataclass(slots=True)
class Judged:
    """The schools of one range of a batch: which had a mark taken in, and how many marks were refused of the others.

    A message that cannot be read is so many as make its school fail. ``schema_ids``: those that the registry lacks.
    """

    passed: set[int] = field(default_factory=set)
    refused: dict[int, int] = field(default_factory=dict)
    schema_ids: set[int] = field(default_factory=set)

    def unread(self, urn: int) -> None:
        """A message of this school could not be read."""
        self.refused[urn] = self.refused.get(urn, 0) + _MARKS_REFUSED


class Brake:
    """What one worker knows of the schools of its partitions."""

    def __init__(self) -> None:
        self._passed: defaultdict[Place, set[int]] = defaultdict(set)
        self._refused: defaultdict[Place, dict[int, int]] = defaultdict(dict)
        #: Partitions that wait, each with the schema ids that would let it go on.
        self.waiting: dict[Place, set[int]] = {}

    def judge(self, ranges: list[TopicRange], judged: list[Judged]) -> list[Place]:
        """Learn from a batch, range by range; returns the partitions that must wait now."""
        stopping = []
        for r, schools in zip(ranges, judged, strict=True):
            place = (r.topic.name, r.partition)
            known, refused = self._passed[place], self._refused[place]
            known |= schools.passed
            for urn in schools.passed & refused.keys():
                del refused[urn]
            for urn in (schools.refused.keys() & known) - schools.passed:
                refused[urn] = refused.get(urn, 0) + schools.refused[urn]
            failing = sum(count >= _MARKS_REFUSED for count in refused.values())
            if failing >= _SCHOOLS and 2 * failing > len(known):
                self.waiting[place] = schools.schema_ids
                stopping.append(place)
        return stopping

    def go_on(self, place: Place) -> None:
        """The partition is read again: its schools are judged anew by what comes now."""
        self.waiting.pop(place, None)
        self._refused.pop(place, None)

    def forget(self) -> None:
        """The partitions are somebody else's."""
        self._passed.clear()
        self._refused.clear()
        self.waiting.clear()
