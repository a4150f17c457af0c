"""When a snapshot is taken: the cuts of a day, how long schools have to answer at each, and what is written of it.

A cut is named by its time of day in London, `14:00` (`14:00:30` where seconds matter). `<name>/<cut>` stands on every
page that is pulled for it, and from there in the receipts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from rollcall.domain.clock import LONDON, local_instant
from rollcall.errors import UsageError

__all__ = ["WHOLE_EVERY", "Cut", "Schedule", "cuts_between", "differing", "one_cut"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
#: Cuts of one snapshot at most: a day of one a minute.
_MOST_CUTS = 1_440
#: Each so-manieth cut reads everything, and the last: of one an hour, what a source changed without saying so is wrong
#: for four hours at most, and right in the end.
WHOLE_EVERY = 4


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut. label: its time of day in London; at: that instant, UTC."""

    label: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a snapshot is: for one session date, at these cuts, schools have so long to answer.

    name: lower-case letters, digits, dots and dashes. sources: names, none for all. today: the day it is, for a day
    that is played; None: the day it really is. whole_every: of so many cuts one reads everything, the first of them; 1:
    all do. Raises UsageError when it cannot be meant.
    """

    name: str
    day: date
    cuts: tuple[Cut, ...]
    deadline: timedelta
    sources: tuple[str, ...] = ()
    today: date | None = None
    whole_every: int = WHOLE_EVERY

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"{self.name!r} is no name for a snapshot: lower-case letters, digits, dots and dashes")
        if not self.cuts:
            raise UsageError("a snapshot has at least one cut: --until is before --from")
        if len(self.cuts) > _MOST_CUTS:
            raise UsageError(f"{len(self.cuts)} cuts are more than {_MOST_CUTS}: take a longer --every")
        if self.deadline <= timedelta(0):
            raise UsageError("--deadline: schools need some time to answer")
        if self.whole_every < 1:
            raise UsageError("--whole-every: 1 at least, which is every cut")
        for one, following in zip(self.cuts, self.cuts[1:], strict=False):
            if following.at - one.at < self.deadline:
                raise UsageError("--deadline is longer than --every: a cut would end after the next one begins")

    def label(self, cut: Cut) -> str:
        """What stands on the pages of a cut."""
        return f"{self.name}/{cut.label}"

    def due(self, cut: Cut) -> datetime:
        """Who answers later than this is late."""
        return cut.at + self.deadline

    def closes(self, cut: Cut) -> datetime:
        """Until when late answers are waited for: the next cut; after the last, as long again as schools had."""
        later = [one.at for one in self.cuts if one.at > cut.at]
        return later[0] if later else cut.at + 2 * self.deadline

    def reads_whole(self, cut: Cut) -> bool:
        """Whether everything is read at a cut: the first, each `whole_every`-th after it, and the last."""
        place = self.cuts.index(cut)
        return place % self.whole_every == 0 or place == len(self.cuts) - 1

    def cut(self, label: str) -> Cut:
        """The cut of this label. Raises UsageError, naming those there are."""
        for one in self.cuts:
            if one.label == _label(_time(label)):
                return one
        raise UsageError(f"{self.name} has no cut {label}; it has {', '.join(one.label for one in self.cuts)}")

    def as_json(self) -> dict[str, object]:
        """What is kept of it."""
        return {
            "name": self.name,
            "day": self.day.isoformat(),
            "cuts": [[one.label, one.at.isoformat()] for one in self.cuts],
            "deadline_seconds": self.deadline.total_seconds(),
            "sources": list(self.sources),
            "today": self.today and self.today.isoformat(),
            "whole_every": self.whole_every,
        }

    @classmethod
    def of_json(cls, stored: dict[str, object]) -> Schedule:
        """From what `as_json` gave. Raises ValueError, KeyError, TypeError when it is not that."""
        cuts, sources, today = stored["cuts"], stored["sources"], stored["today"]
        if not isinstance(cuts, list) or not isinstance(sources, list):
            raise TypeError("lists are wanted")
        return cls(
            name=str(stored["name"]),
            day=date.fromisoformat(str(stored["day"])),
            cuts=tuple(Cut(label, datetime.fromisoformat(at)) for label, at in cuts),
            deadline=timedelta(seconds=float(str(stored["deadline_seconds"]))),
            sources=tuple(sources),
            today=None if today is None else date.fromisoformat(str(today)),
            whole_every=int(str(stored.get("whole_every", WHOLE_EVERY))),
        )


def cuts_between(day: date, first: str, last: str, every: timedelta) -> tuple[Cut, ...]:
    """Cuts of a day from one time of day to another, both included, London time. Raises UsageError."""
    if every < timedelta(seconds=1):
        raise UsageError("--every: a second at least")
    begin, end = _instant(day, first), _instant(day, last)
    count = (end - begin) // every + 1 if end >= begin else 0
    return tuple(_cut(begin + number * every) for number in range(min(count, _MOST_CUTS + 1)))


def one_cut(at: datetime) -> tuple[Cut, ...]:
    """A snapshot of one cut, at an instant."""
    return (_cut(at.replace(microsecond=0)),)


def _cut(at: datetime) -> Cut:
    return Cut(_label(at.astimezone(LONDON).time()), at)


def _label(at: time) -> str:
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"


def _instant(day: date, text: str) -> datetime:
    return local_instant(datetime.combine(day, _time(text))).instant


def _time(text: str) -> time:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text}: a time of day is wanted, as 07:00 or 07:00:30")
    return time(int(match[1]), int(match[2]), int(match[3] or 0))


def differing(one: Schedule, other: Schedule) -> Sequence[str]:
    """In what two schedules of one name differ, for a person; nothing when they are the same. How much is read at a cut
    may change during the day: what it says is the same."""
    ours, theirs = one.as_json(), other.as_json()
    return [name.replace("_seconds", "") for name in ours if ours[name] != theirs[name] and name != "whole_every"]
