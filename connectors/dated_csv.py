"""CSV files that say something of codes between two session dates: code maps, and what codes count as."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from rollcall.errors import UsageError

__all__ = ["dates", "rows", "text"]

Row = Mapping[str, str | None]
_DATES = ("valid_from", "valid_to")


def rows(file: Path, *wanted: str) -> Iterator[tuple[int, Row]]:
    """Line number and row, of a file whose first line names the columns. Raises UsageError when it cannot be read."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            found = csv.DictReader(opened)
            if not {*wanted} <= set(found.fieldnames or ()):
                raise UsageError(f"{file}: the first line must name the columns {' and '.join(wanted)}")
            for row in found:
                yield found.line_num, row
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8: save it as CSV UTF-8") from None


def dates(row: Row, where: str) -> tuple[date | None, date | None]:
    """First and last session date of a row, both inclusive; None where it is empty. Raises UsageError."""
    try:
        first, last = (date.fromisoformat(said) if (said := row.get(name)) else None for name in _DATES)
    except ValueError:
        raise UsageError(f"{where}: a date is written YYYY-MM-DD") from None
    return first, last


def text(names: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """The text of a file that `rows` reads."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if value is None else value for value in line] for line in lines)
    return out.getvalue()
