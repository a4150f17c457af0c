"""The attendance codes: what each means, what it counts as, and when it was in use.

`codes.csv` holds the 38 national codes in use at some time since 2022 and `-` (no mark). Meanings: School Attendance
(Pupil Registration) (England) Regulations 2024, regulation 10 and its tables, in force from 19 August 2024, and the
guidance "Working together to improve school attendance". Categories: the column names of the Department for
Education's own published files ("Pupil attendance in schools"), Open Government Licence.

F was withdrawn long before, on a date we have no source for; its last day here is the last day before the 2024
regulations, which do not know it. It still arrives, and is still counted by the Department.

Three columns are never mixed: the raw code (as received), the canonical code (one of these), the category (reporting).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import NamedTuple

__all__ = [
    "BY_CODE",
    "CODES",
    "MAX_CODE_LENGTH",
    "NATIONAL",
    "NO_MARK",
    "PROVISIONAL",
    "Code",
    "MapEntry",
    "malformed",
    "national_map_entries",
    "out_of_date",
    "shown",
]

#: The scheme whose raw codes are the national ones.
NATIONAL = "national"
#: The canonical code that means "no mark was made" (rule 3): alone it is missing, after a mark it withdraws it.
NO_MARK = "-"
#: The reason is not established yet: a definite mark of another source stands before it (rule 17).
PROVISIONAL = "N"
#: A longer raw code may be a comment, which is not collected. In characters.
MAX_CODE_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Code:
    """One code. `absence_type` is 'authorised', 'unauthorised' or ''; the dates are inclusive, None where open."""

    code: str
    label: str
    category: str
    in_possible_sessions: bool
    counts_as_attendance: bool
    absence_type: str
    valid_from: date | None
    valid_to: date | None
    dfe_column: str


class MapEntry(NamedTuple):
    """One line of a code map: session dates from `valid_from` to `valid_to`, both inclusive, None where open."""

    raw_code: str
    canonical_code: str
    valid_from: date | None = None
    valid_to: date | None = None


def _read() -> tuple[Code, ...]:
    text = (resources.files("rollcall.domain") / "codes.csv").read_text(encoding="utf-8")
    return tuple(
        Code(
            code=row["code"],
            label=row["label"],
            category=row["category"],
            in_possible_sessions=row["in_possible_sessions"] == "1",
            counts_as_attendance=row["counts_as_attendance"] == "1",
            absence_type=row["absence_type"],
            valid_from=date.fromisoformat(row["valid_from"]) if row["valid_from"] else None,
            valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
            dfe_column=row["dfe_column"],
        )
        for row in csv.DictReader(text.splitlines())
    )


#: All 39, in the order of the file.
CODES: tuple[Code, ...] = _read()
BY_CODE: dict[str, Code] = {code.code: code for code in CODES}


def national_map_entries() -> tuple[MapEntry, ...]:
    """The code map of the scheme `national`: every code is itself, and blank is `-` (rule 3).

    A code outside its dates keeps its category (rule 4), so no entry ends, but for J: the interview that was approved
    activity until 18 August 2024 is authorised absence (J1) since, so a later J is unknown until a map says which.
    """
    entries = [MapEntry(code.code, code.code, None, code.valid_to if code.code == "J" else None) for code in CODES]
    return (*entries, MapEntry("", NO_MARK))


def shown(code: str) -> str:
    """The raw code, to be shown; what may be a comment is not."""
    return f"<withheld, {len(code)} characters>" if malformed(code) else code


def out_of_date(canonical_code: str, session_date: date) -> bool:
    """Whether the code was not in use on that date: the exception `code_out_of_date` (rule 4)."""
    code = BY_CODE.get(canonical_code)
    if code is None:
        return False
    return (code.valid_from is not None and session_date < code.valid_from) or (
        code.valid_to is not None and session_date > code.valid_to
    )


def malformed(raw_code: str) -> bool:
    """Whether a raw code may be a comment: longer than `MAX_CODE_LENGTH` characters, or holding control characters.

    Control characters are U+0000 to U+001F and U+007F to U+009F.
    """
    return len(raw_code) > MAX_CODE_LENGTH or any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in raw_code)
