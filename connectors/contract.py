"""What a connector promises: read this, write one class, and a new MIS is connected.

A connector knows one make of source (Wonde, an OData feed, a CSV drop). It reads; it neither publishes nor remembers.
`connectors.runner` does that for all of them, the same way: hand a page to Kafka, wait for the acknowledgement, and
only when the whole pull is there move the cursor. So a connector may be killed at any instant, and what it had not
finished is read again: pages arrive at least once, in order, and none is skipped. Repeats are expected, and told apart
downstream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar

from rollcall.domain.summaries import Summary
from rollcall.errors import SourceError, UsageError

__all__ = [
    "SCHOOL_ID",
    "BadPage",
    "Connector",
    "MarksPage",
    "Page",
    "Pull",
    "Reference",
    "Refusal",
    "Source",
    "SourceStopped",
    "Window",
]


class SourceStopped(SourceError):  # noqa: N818 - a state of the source
    """The source does not let us in (401, 403): permission was withdrawn or the token is wrong. Pulls stop at once."""


#: What a source may call a school in our files: it names files of ours, too.
SCHOOL_ID = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}$"


@dataclass(frozen=True, slots=True)
class Source:
    """One school of a connector: the connector's own id for it, and the URN its messages are keyed by.

    credential: a fingerprint of what lets us in, never the thing itself; a new one starts a stopped source again.
    """

    id: str
    urn: int
    code_scheme: str = "national"
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Session dates of a bounded pull, both inclusive."""

    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Pull:
    """One reading of one source.

    taken_at: when it began, UTC to the millisecond, the same on all its pages (rule 6).
    since: read what changed from this instant on; None reads all. window: read these session dates whole instead; with
    `since` (only where the make `tells_changes_of_days`), of them what changed from then on.
    gone_since: with a window, also what is gone since this instant is told, where the make `sends_deletions` and a
    reading of the window does not tell of them; None where nothing was said before.
    snapshot: the cut it is pulled for, `<name>/<cut>`; None for a pull of its own.
    place: for a source that counts its changes instead of dating them: what the last whole pull's pages said as
    `Page.place`; None before the first, and for a window.
    """

    id: str
    source: Source
    taken_at: datetime
    since: datetime | None = None
    window: Window | None = None
    snapshot: str | None = None
    place: str | None = None
    gone_since: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether it reads a whole window: only then does a mark's absence say something (rule 18)."""
        return self.window is not None and self.since is None


@dataclass(frozen=True, slots=True)
class Page:
    """One page as the source gave it. `context` is what its records lean on (a code list), already fetched.

    place: where the next pull goes on, when this one has ended and every page of it is on Kafka; the last page that
    says one counts. Its form is the connector's own.
    """

    resource: str
    number: int
    records: Sequence[Mapping[str, Any]]
    context: Mapping[str, Any] = field(default_factory=dict)
    place: str | None = None


@dataclass(frozen=True, slots=True)
class BadPage:
    """A page that cannot be read at all. `body` is None where keeping it would keep names."""

    resource: str
    number: int
    reason: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One record of a page that cannot become a mark, with everything taken out that names a person or is a comment."""

    reason: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MarksPage:
    """What a page says: marks and deletions as `attendance.mis.v1` has them, and what could not be read."""

    marks: Sequence[Mapping[str, Any]] = ()
    deletions: Sequence[str] = ()
    refused: Sequence[Refusal] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference message: whole, for one key. Published when anything but `taken_at` differs from the last time."""

    topic: str
    key: str
    record: Mapping[str, Any]


class Connector(ABC):
    """One make of source. Every promise below is checked, for every connector, by `tests/connectors/contract.py`."""

    #: What the make is called where sources are configured.
    make: ClassVar[str]
    #: Whether it tells of records that are gone. Where not, a pull of a whole window does (rule 18), and a record id
    #: must name its place, so that it never moves: pupil, session date, session, and period if it has one.
    sends_deletions: ClassVar[bool] = True
    #: Whether it can be relied on to say of some session dates what changed since an instant, and what is gone: then a
    #: cut of a snapshot need not read again what it has read (`connectors.snapshots`). Not so where a make tells of no
    #: deletions (rule 18), where its servers may ignore a filter or show what they cached, or where it counts its
    #: changes and a window has no place to begin at.
    tells_changes_of_days: ClassVar[bool] = False
    #: Whether reading what has changed leaves the source as it is. Where not (a folder of exports, which are taken),
    #: only a bounded pull may be made beside the pulls that move the cursor.
    reads_without_taking: ClassVar[bool] = True

    def __init__(self, name: str) -> None:
        """name: the `source` of its marks, the label of its metrics, the folder of its state."""
        self.name = name

    @abstractmethod
    async def discover(self) -> Sequence[Source]:
        """The schools to pull, those we were told of or those the source says we may read.

        Raises SourceStopped, SourceError.
        """

    @abstractmethod
    async def check(self, source: Source) -> Sequence[str]:
        """What stands in the way of pulling this school, each one line a data manager can act on; empty when nothing.

        Reads little, changes nothing, and raises nothing but programming errors: being refused is an answer.
        """

    @abstractmethod
    def pull(self, pull: Pull) -> AsyncIterator[Page | BadPage]:
        """Read the source from `pull.since` on, or `pull.window` whole, or of the window what changed from `pull.since`
        on, page by page, in the source's order.

        - Follows the source's own paging to its end; a page is yielded as soon as it is read, none is held.
        - Marks come before deletions: a deletion speaks of a record that may be among them.
        - Throttling, errors of the server and of the network are waited out here, with jitter and as long as the source
          asks (Retry-After), up to a bound.
        - A page that cannot be read is yielded as BadPage, and reading goes on behind it where the source lets us.
        - Ends only when everything was read. Raises SourceStopped at once when the source refuses us, SourceError when
          it stays away: both mean that the pull is not complete.
        """

    @abstractmethod
    def to_message(self, pull: Pull, page: Page) -> MarksPage:
        """What a page says, in our words. Pure: the same page always gives the same, whatever the time.

        Dates are the day the source says, in its own zone, never shifted (rule 8). No name, no comment and no plain UPN
        is in the result (rule 27). A record that cannot be read is in `refused`; the others of its page go on. Codes
        are passed as they are, known or not: the worker judges them (rule 2).
        """

    def reference(self, pull: Pull) -> AsyncIterator[Reference]:
        """The school's reference data that this source is the authority for (its roster), before its marks.

        The default has none. Raises as `pull` does; a reading that is not whole yields nothing, because the message
        replaces what was known.
        """
        return _nothing()

    def parts(self, pull: Pull) -> AsyncIterator[Pull]:
        """The pulls that this one is made of on Kafka, in their order: each is given to `pull` and to `to_message`.

        The default is the pull itself, as for every source that is asked: it is read now. A source that others fill (a
        folder of exports) has one part for each export, with an id, a `taken_at` and a window of its own, because it
        was taken before we came (rule 6), and each may or may not be whole (rule 18). A part may be a subclass of Pull
        that carries what the make needs. The next part is asked for when Kafka has acknowledged the one before.
        Raises as `pull` does.
        """
        return _itself(pull)

    def summaries(self, source: Source) -> AsyncIterator[Summary]:
        """The source's own count of each pupil's session marks in the academic year, to compare ours with.

        Codes are raw, a pupil is (scheme, reference) as the marks have it. Two of one pupil are given as two.
        Ends only when all were read. Raises as `pull` does, SourceError also for what cannot be read; UsageError, the
        default, where the make has no such summary.
        """
        raise UsageError(f"{self.name} is of the make {self.make}, which has no summaries of its own: use --by pull")

    async def acknowledged(self, pull: Pull, what: Page | BadPage | Reference) -> None:
        """Kafka has acknowledged all that this says, and all that came before it; what was refused of it is kept.

        Called once for every page (those without a mark too) and every reference (an unchanged one is there already),
        in the order in which they were yielded, with the part they belong to. Not called when the process is killed
        first: then the same is read again, so whatever is done here must bear being done late, and twice.

        The default does nothing: the runner's cursor is all that a source needs that is asked. A folder of exports
        remembers the place in a file and puts the finished file away. Nothing that this forgets may be needed by a
        bounded pull. Raises OSError, SourceError: the pull is then not whole, and the cursor stays.
        """
        return


async def _nothing() -> AsyncIterator[Reference]:
    return
    yield  # makes this an empty generator


async def _itself(pull: Pull) -> AsyncIterator[Pull]:
    yield pull
