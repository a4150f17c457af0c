"""What is asked of a school's source at a tick: the messages of `connector.pull-request.v1`.

Keyed by URN like all that is of a school: its requests lie on one partition, in their order, and one process at a time
does them. A request's id is a function of what it asks for, so is the id of the pull that it becomes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from connectors.contract import Window
from connectors.encoding import days, milliseconds
from connectors.files import locked, write_durably
from connectors.runner import What

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = ["TOPIC", "Folded", "PullRequest", "expiry", "fold", "installation_of", "tick_of"]

TOPIC = "connector.pull-request.v1"
#: Ids of requests are UUIDs made in this namespace.
_REQUESTS = uuid.UUID("5d6a3b1e-0c9f-5a0b-8f53-3b0f5f1c7f42")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: A request for marks is worth doing so many intervals long, and so long at least: later ones ask for the same.
_WORTH_INTERVALS, _WORTH_AT_LEAST = 10, timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """Pull one school of one source, as of a tick (UTC, to the millisecond).

    installation: whose sources and cursors are meant (`installation_of`). window, snapshot: as `contract.Pull` has
    them. expires_at: from then on it is not worth doing; None: always is.
    """

    installation: str
    source: str
    school: str
    urn: int
    tick: datetime
    what: What = "all"
    window: Window | None = None
    snapshot: str | None = None
    expires_at: datetime | None = None

    @property
    def id(self) -> str:
        """The same for whoever asks the same: source, school and tick; window and snapshot where there are any."""
        asked: list[Any] = [self.installation, self.source, self.school, self.urn, milliseconds(self.tick)]
        asked += [] if self.window is None else [self.window.first_day, self.window.last_day]
        asked += [] if self.snapshot is None else [self.snapshot]
        return str(uuid.uuid5(_REQUESTS, "\n".join(map(str, asked))))

    def record(self) -> dict[str, Any]:
        """The record for the topic."""
        window = self.window
        return {
            "request_id": self.id,
            "installation": self.installation,
            "source": self.source,
            "school": self.school,
            "urn": self.urn,
            "tick": milliseconds(self.tick),
            "what": self.what,
            "window_from": None if window is None else days(window.first_day),
            "window_to": None if window is None else days(window.last_day),
            "snapshot": self.snapshot,
            "expires_at": None if self.expires_at is None else milliseconds(self.expires_at),
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> PullRequest:
        """The request of a record as Avro gives it. Raises ValueError for one that asks for nothing there is."""
        first, last, what = record["window_from"], record["window_to"], record["what"]
        if what not in get_args(What) or (first is None) != (last is None):
            raise ValueError("what or window of the request is none")
        return cls(
            record["installation"], record["source"], record["school"], record["urn"], record["tick"], what,
            None if first is None else Window(first, last), record["snapshot"], record["expires_at"],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folded:
    """One pull, and the older requests that it does as well."""

    request: PullRequest
    older: Sequence[PullRequest] = ()


def fold(requests: Iterable[PullRequest]) -> list[Folded]:
    """The pulls that do all these requests, each school's in order of ticks.

    Requests without a window fold into the newest of their school: a pull reads everything since the cursor anyway. It
    reads the roster if one of them asks for it. Those of windows fold only into their own repeats.
    """
    groups: dict[tuple[Any, ...], list[PullRequest]] = {}
    for one in requests:
        apart = None if one.window is None and one.snapshot is None else one.id
        groups.setdefault((one.source, one.school, one.urn, apart), []).append(one)
    folded = []
    for group in groups.values():
        *older, newest = sorted(group, key=lambda one: one.tick)
        asked = {one.what for one in group}
        folded.append(Folded(replace(newest, what=asked.pop() if len(asked) == 1 else "all"), older))
    return sorted(folded, key=lambda one: one.request.tick)


def tick_of(at: datetime, every: float | None) -> datetime:
    """The tick an instant belongs to: the last whole multiple of the interval (s); the instant itself without one."""
    step = timedelta(milliseconds=1) if every is None else timedelta(seconds=every)
    return _EPOCH + (at - _EPOCH) // step * step


def expiry(tick: datetime, every: float | None, what: What) -> datetime | None:
    """When a request of a tick is worth nothing any more. What is asked once an hour or only once always is."""
    if every is None or what != "marks":
        return None
    return tick + max(_WORTH_AT_LEAST, _WORTH_INTERVALS * timedelta(seconds=every))


def installation_of(settings: Settings) -> str:
    """The id of this home folder; made and kept there when there is none. Raises OSError.

    Cursors, and what was said of schools whose make tells of no deletions, are in the home folder: those who pull the
    same schools must share it. The id tells them apart from those who do not.
    """
    file = settings.home / "connectors" / "installation"
    with locked(file.with_name(".installation.lock")):
        if not file.exists():
            write_durably(file, uuid.uuid4().hex[:12] + "\n")
        return file.read_text(encoding="utf-8").strip()
