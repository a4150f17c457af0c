"""What is written of a snapshot while it is taken, so that kill -9 loses no answer and anybody can look at any moment.

    <home>/connectors/snapshots/<name>/plan.json     its schedule; written beside, flushed, renamed
    <home>/connectors/snapshots/<name>/1400.jsonl    the cut 14:00: a line for whatever happened, only ever added to
    <home>/connectors/snapshots/<name>/held/         which records each school's source held (`connectors.held`)

Every line is in the file before the next thing happens, so the end of the process, however it comes, loses none. It is
flushed to the disk within a second: a crash of the machine loses at most the answers of that second, and those schools
are asked again, which is a repeat like any other. A line that was cut off is none.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, get_args

from connectors.contract import Source
from connectors.files import write_durably
from connectors.snapshots.schedule import Cut, Schedule
from rollcall.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = [
    "OUTCOMES",
    "Asked",
    "CutRecord",
    "Ended",
    "Recorder",
    "Snapshot",
    "folder_of",
    "load",
    "names",
    "read",
    "save_plan",
]

#: How the asking of a school can end. answered: its whole day is on Kafka, in time; late: after the deadline; refused:
#: the source does not let us in, or its permission was withdrawn; silent: given up without an end.
Ended = Literal["answered", "late", "failed", "refused", "silent"]
OUTCOMES: tuple[str, ...] = get_args(Ended)

#: How long a line may wait to be flushed to the disk (s).
_FLUSH_SECONDS = 1.0


@dataclass(slots=True)
class Asked:
    """One school at one cut. outcome: None as long as it has none. Instants UTC. marks, pages: on Kafka for this cut.

    why: a line for a person, and names no pupil. only_changes: it was asked what changed since the cut before. held:
    records of the day that were said by then and not gone; None when it has not answered. digest: of what is kept of
    them (`connectors.held`). unread: records that could not be read.
    """

    source: str
    school: str
    urn: int
    asked_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Ended | None = None
    why: str = ""
    marks: int = 0
    pages: int = 0
    only_changes: bool = False
    held: int | None = None
    digest: str = ""
    unread: int = 0

    @property
    def has_answered(self) -> bool:
        """Whether its whole day is on Kafka, by this cut's pages or with those of cuts before."""
        return self.outcome in ("answered", "late")

    @property
    def in_part(self) -> bool:
        """Whether some of its day may be on Kafka by this cut, and not the whole: it broke off, or the process died."""
        return not self.has_answered and (self.pages > 0 or (self.asked_at is not None and self.outcome is None))


@dataclass(slots=True)
class CutRecord:
    """One cut as far as it is. begun: somebody has begun to ask. over_at: when every school had ended, or the deadline.

    lost: sources of which not even the schools could be had, and why.
    """

    cut: Cut
    begun: bool = False
    over_at: datetime | None = None
    schools: dict[tuple[str, str], Asked] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Snapshot:
    """A snapshot as far as it is: its schedule, and its cuts in order."""

    schedule: Schedule
    cuts: list[CutRecord]

    def end(self, record: CutRecord) -> datetime:
        """The cut's end: the last school's end, or the deadline. Known before only when every school has ended."""
        return record.over_at or self.schedule.due(record.cut)

    def missed(self, record: CutRecord, now: datetime) -> bool:
        """Whether its time has gone by and nobody has asked."""
        return not record.begun and now > self.schedule.due(record.cut)

    def stands(self, record: CutRecord, school: Asked, now: datetime) -> str:
        """How a school stands at a cut, in a word: an outcome, or waiting (not asked yet), asked, silent."""
        if school.outcome is not None:
            return school.outcome
        if now > self.schedule.due(record.cut):
            return "silent"
        return "waiting" if school.asked_at is None else "asked"

    def last_answer(self, record: CutRecord, source: str, school: str) -> datetime | None:
        """When the school last answered whole, at this cut or one before it; None when never."""
        for one in reversed(self.cuts[: self.cuts.index(record) + 1]):
            found = one.schools.get((source, school))
            if found is not None and found.has_answered:
                return found.ended_at
        return None


def folder_of(settings: Settings, name: str) -> Path:
    """Where a snapshot is kept."""
    return settings.home / "connectors" / "snapshots" / name


def names(settings: Settings) -> list[str]:
    """Every snapshot there is, by name."""
    return sorted(plan.parent.name for plan in folder_of(settings, "").glob("*/plan.json"))


def save_plan(settings: Settings, schedule: Schedule) -> None:
    """Keep the schedule, durably. Raises OSError."""
    write_durably(folder_of(settings, schedule.name) / "plan.json", json.dumps(schedule.as_json(), indent=1) + "\n")


def load(settings: Settings, name: str) -> Snapshot:
    """A snapshot as it is at this moment, whoever takes it. Raises UsageError when there is none of this name,
    ConfigError when it cannot be read."""
    folder = folder_of(settings, name)
    try:
        schedule = Schedule.of_json(json.loads((folder / "plan.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = ", ".join(names(settings)) or "none"
        raise UsageError(f"no snapshot is called {name}; there are: {known}") from None
    except (OSError, ValueError, KeyError, TypeError, UsageError):
        raise ConfigError(f"{folder / 'plan.json'} cannot be read: give the snapshot another name") from None
    return Snapshot(schedule, [read(folder, cut) for cut in schedule.cuts])


class Recorder:
    """Writes one cut down: `with Recorder(folder, cut) as record:`. One process at a time. Raises OSError."""

    def __init__(self, folder: Path, cut: Cut) -> None:
        """Go on where an earlier one was: a line that was cut off is taken away. Raises ConfigError."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = _file(folder, cut)
        self.so_far = read(folder, cut)
        self._handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        whole = _whole(file.read_bytes())
        os.ftruncate(self._handle, len(whole))
        os.lseek(self._handle, 0, os.SEEK_END)
        self._flushed_at = time.monotonic()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.fsync(self._handle)
        os.close(self._handle)

    def to_ask(self, source: str, schools: Iterable[Source]) -> None:
        """These schools of a source are asked at this cut."""
        told = [[one.id, one.urn] for one in schools]
        self._add({"what": "to_ask", "source": source, "schools": told}, flush=True)

    def lost(self, source: str, why: str) -> None:
        """Not even the schools of this source can be had."""
        self._add({"what": "lost", "source": source, "why": why}, flush=True)

    def asked(self, source: str, school: str, at: datetime) -> None:
        """A school is being asked."""
        self._add({"what": "asked", "source": source, "school": school, "at": _text(at)})

    def ended(self, school: Asked) -> None:
        """A school's asking has come to an end."""
        self._add(
            {
                "what": "ended", "source": school.source, "school": school.school,
                "at": school.ended_at and _text(school.ended_at), "outcome": school.outcome, "why": school.why,
                "marks": school.marks, "pages": school.pages, "only_changes": school.only_changes,
                "held": school.held, "digest": school.digest, "unread": school.unread,
            }
        )  # fmt: skip

    def over(self, at: datetime) -> None:
        """Every school has ended, or the deadline has come."""
        self._add({"what": "over", "at": _text(at)}, flush=True)

    def _add(self, line: dict[str, Any], *, flush: bool = False) -> None:
        left = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        while left:
            left = left[os.write(self._handle, left) :]
        if flush or time.monotonic() - self._flushed_at > _FLUSH_SECONDS:
            os.fsync(self._handle)
            self._flushed_at = time.monotonic()


def _file(folder: Path, cut: Cut) -> Path:
    return folder / f"{cut.label.replace(':', '')}.jsonl"


def _whole(content: bytes) -> bytes:
    """Without a line at the end that was cut off."""
    return content[: content.rfind(b"\n") + 1]


def read(folder: Path, cut: Cut) -> CutRecord:
    """One cut of the snapshot in this folder, as it is. Raises ConfigError when it cannot be read."""
    record, file = CutRecord(cut), _file(folder, cut)
    try:
        lines: Sequence[bytes] = _whole(file.read_bytes()).splitlines()
    except FileNotFoundError:
        return record
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            _take(record, json.loads(line))
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{file} cannot be read in line {number}: move it away, and the cut begins anew"
            ) from None
    return record


def _take(record: CutRecord, line: dict[str, Any]) -> None:
    what, source = line["what"], line.get("source", "")
    record.begun = True
    if what == "to_ask":
        record.lost.pop(source, None)
        for school, urn in line["schools"]:
            record.schools.setdefault((source, school), Asked(source, school, urn))
    elif what == "lost":
        record.lost[source] = line["why"]
    elif what == "over":
        record.over_at = datetime.fromisoformat(line["at"])
    else:
        school = record.schools[source, line["school"]]
        at = None if line["at"] is None else datetime.fromisoformat(line["at"])
        if what == "asked":
            school.asked_at, school.ended_at, school.outcome, school.why = at, None, None, ""
        else:
            school.ended_at, school.outcome, school.why = at, line["outcome"], line["why"]
            school.marks, school.pages = line["marks"], line["pages"]
            school.only_changes, school.held = line.get("only_changes", False), line.get("held")
            school.digest, school.unread = line.get("digest", ""), line.get("unread", 0)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
