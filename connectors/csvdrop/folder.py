"""The folder of one school: which files may be taken, which is being taken, and where they go.

    <school>/attendance.csv            arrived
    <school>/taking/attendance.csv     claimed: a pull reads it, or was killed while it did
    <school>/taking/.attendance.csv.place   how many of its records Kafka has acknowledged
    <school>/done/marks/20250910T081500000Z-1a2b3c4d5e6f-attendance.csv    all of it is on Kafka
    <school>/refused/20250910T081500000Z-attendance.csv, ….reason.txt      cannot be taken, and why

A file moves by renaming, from one state to the next, and each move is flushed to the disk: kill -9 leaves it in one of
them. Because what is claimed has left the folder of arrivals, an exporter that writes the same name again overwrites
nothing that is being read. Nothing here is ever deleted: archives are their owner's.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from connectors.contract import SourceStopped
from connectors.csvdrop.export import Export, Identity
from connectors.csvdrop.options import Options
from rollcall.errors import SourceError

__all__ = ["LONGEST_NAME", "Arrived", "SchoolFolder", "Seen"]

log = structlog.get_logger()

#: Endings under which a file is still written: whoever writes it renames it when it is whole.
_UNFINISHED = (".part", ".tmp", ".partial", ".filepart", ".crdownload")
_DIGEST_LETTERS = 12
_REASON = ".reason.txt"
#: What is put before and behind a name must find room in a file system's 255 bytes.
LONGEST_NAME = 180
#: Of a longer name, which is refused, so many characters are kept.
_KEPT_OF_A_NAME = 40


class Arrived(NamedTuple):
    """A file in one of the folders: where it lies, and the name with which it arrived."""

    path: Path
    name: str


#: What was seen of files that still change: by path, what they were and since when, on the clock of this process.
Seen = dict[Path, tuple[Identity, float]]


@dataclass(frozen=True, slots=True)
class SchoolFolder:
    """One school's files. arrivals: where they arrive, its own folder or one that all schools share."""

    arrivals: Path
    own: Path

    def arrived(self, options: Options, seen: Seen) -> list[Arrived]:
        """The files that may be taken: regular, of a finished name, and no longer changing. In the order of names.

        Raises SourceStopped when the folder may not be read, SourceError when it is not there.
        """
        with self._trouble():
            with os.scandir(self.arrivals) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
            for gone in [path for path in list(seen) if path.parent == self.arrivals and path.name not in names]:
                seen.pop(gone, None)
            ready = [self.arrivals / name for name in names if _finished(name)]
            return [Arrived(path, path.name) for path in ready if _is_quiet(path, options, seen)]

    def rights(self) -> str:
        """Who may do what with the folders: another answer means that somebody has looked after it."""
        found = []
        for folder in (self.arrivals, self.own, *(self.own / name for name in ("taking", "done", "refused"))):
            try:
                about = folder.stat()
            except OSError as error:
                found.append(str(error.errno))
            else:
                found.append(f"{about.st_mode}:{about.st_uid}:{about.st_gid}")
        return ",".join(found)

    def claimed(self) -> list[Arrived]:
        """The files that a pull before this one claimed and did not finish. Raises as `arrived` does."""
        with self._trouble():
            files = _files(self.own / "taking")
        return [Arrived(path, path.name) for path in files if not path.name.startswith(".")]

    def done(self, kind: str) -> list[Arrived]:
        """The files of a kind that are on Kafka, oldest export first."""
        return [
            Arrived(path, path.name.split("-", 2)[2])
            for path in _files(self.own / "done" / kind)
            if path.name.count("-") > 1
        ]

    def claim(self, file: Arrived) -> Path | None:
        """Take a file out of the arrivals, and return where it is now; None when one of its name is not finished."""
        target = self.own / "taking" / file.name
        if file.path == target:
            return target
        if target.exists():
            return None
        with self._trouble():
            _move(file.path, target)
        return target

    def refused(self) -> int:
        """How many files are refused."""
        return sum(not path.name.endswith(_REASON) for path in _files(self.own / "refused"))

    def was_done(self, export: Export) -> bool:
        """Whether a file with this very content was taken before."""
        short = export.digest[:_DIGEST_LETTERS]
        return any(f"-{short}-" in path.name for path in _files(self.own / "done" / export.layout.kind))

    def whereabouts(self, export: Export) -> Export:
        """The file where it lies now: another process may have put it away since it was looked at."""
        if not export.path.exists():
            short = export.digest[:_DIGEST_LETTERS]
            for path in _files(self.own / "done" / export.layout.kind):
                if path.name.startswith(f"{_instant(export)}-{short}-") and path.name.endswith(export.name):
                    return export.at(path)
        return export

    def put_away(self, export: Export) -> None:
        """All of a file is on Kafka. A file that was written to after it was read stays where it is."""
        if not export.path.exists() or Identity.of(export.path.stat()) != export.identity:
            log.warning("file_changed_after_reading", folder=self.own.name, file=export.name)
            return
        self.forget_place(export)
        name = f"{_instant(export)}-{export.digest[:_DIGEST_LETTERS]}-{export.name}"
        with self._trouble():
            _move(export.path, self.own / "done" / export.layout.kind / name)

    def refuse(self, file: Arrived, reason: str) -> None:
        """Put a file aside, with the reason beside it first: a file in `refused` always has one."""
        if not file.path.exists():
            return
        changed = time.strftime("%Y%m%dT%H%M%S", time.gmtime(file.path.stat().st_mtime))
        target = self.own / "refused" / f"{changed}Z-{_kept(file.name)}"
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{changed}Z.{number}-{_kept(file.name)}")
        with self._trouble():
            _write(target.with_name(f"{target.name}{_REASON}"), f"{file.name} is refused: {reason}\n")
            _move(file.path, target)

    def place(self, export: Export) -> int:
        """How many records of a claimed file Kafka has acknowledged; 0 when it is another file, or nobody knows."""
        try:
            stored = json.loads(_place_of(export).read_text(encoding="utf-8"))
            same = stored["digest"] == export.digest and stored["identity"] == list(export.identity)
            return int(stored["records"]) if same else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def remember_place(self, export: Export, records: int) -> None:
        """So many records of a claimed file are on Kafka: a pull that comes after a kill goes on behind them."""
        stored = {"digest": export.digest, "identity": list(export.identity), "records": records}
        with self._trouble():
            _write(_place_of(export), json.dumps(stored))

    def forget_place(self, export: Export) -> None:
        """Before the file leaves: else another with its name and content would be begun in the middle."""
        _place_of(export).unlink(missing_ok=True)
        _flush(export.path.parent)

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except PermissionError:
            raise SourceStopped(
                f"the folder of {self.own.name} may not be read and changed by us: give the right to both, as files "
                "are put away when they are taken"
            ) from None
        except FileNotFoundError:
            raise SourceError(f"the folder of {self.own.name} is not there, or a file of it has just gone") from None


def _kept(name: str) -> str:
    return name if len(name.encode()) <= LONGEST_NAME else name[-_KEPT_OF_A_NAME:]


def _finished(name: str) -> bool:
    return not name.startswith((".", "~")) and not name.lower().endswith(_UNFINISHED)


def _is_quiet(path: Path, options: Options, seen: Seen) -> bool:
    """Whether nobody writes to it any more, as far as can be seen: it has not changed for a while, by the file's own
    time or by what we saw; and it ends with the end of a line, or has not changed for a long while."""
    try:
        found = path.stat()
        identity = Identity.of(found)
        before, since = seen.get(path, (None, 0.0))
        if before != identity:
            since = time.monotonic()
            seen[path] = (identity, since)
        unchanged = max(time.time() - found.st_mtime, time.monotonic() - since)
        wanted = options.quiet_seconds if _ends_with_a_line(path) else options.unfinished_seconds
    except FileNotFoundError:
        return False
    except PermissionError:
        raise SourceError(f"{path.name} may not be read by us: give us the right to") from None
    return unchanged >= wanted


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2))
        last = file.read()
    return last.endswith((b"\n", b"\r", b"\n\0", b"\r\0"))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if stat.S_ISREG(path.lstat().st_mode))
    except FileNotFoundError:
        return []


def _instant(export: Export) -> str:
    return f"{export.taken_at:%Y%m%dT%H%M%S}{export.taken_at.microsecond // 1000:03d}Z"


def _place_of(export: Export) -> Path:
    return export.path.with_name(f".{export.name}.place")


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    _flush(target.parent)
    _flush(path.parent)


def _write(file: Path, text: str) -> None:
    """Replace a small file: on return it is on the disk, and a reader never finds half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name.lstrip('.')}.new")
    with beside.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)
    _flush(file.parent)


def _flush(folder: Path) -> None:
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
