"""Reading a source's records, where several makes do it in the same way: a page of them, and the fields of one.

A record that cannot be read raises ValueError, saying why, not what: the reason is kept and logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

from connectors.contract import MarksPage, Pull, Refusal, Source
from connectors.encoding import days
from rollcall.domain.codes import BY_CODE, NATIONAL

__all__ = ["kept", "minutes_late", "read_page", "strange_codes", "text", "within"]

#: No reference of a source is longer; a text that is may be a comment in the wrong field.
_LONGEST_REFERENCE = 64
_MINUTES_OF_A_DAY = 1440


def read_page(
    pull: Pull,
    records: Iterable[Mapping[str, Any]],
    read: Callable[[Mapping[str, Any]], Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | None],
    kept_fields: Set[str],
) -> MarksPage:
    """What a page says, record by record; one that cannot be read is refused alone, with `kept_fields` of it.

    read: a record as a mark of `attendance.mis.v1` or several, or the record id of one that is gone, or None when it is
    nothing of ours; ValueError says why it cannot be read. Marks outside the pull's window are left out: a source that
    ignores the dates it is asked for must not widen it.
    """
    marks: list[Mapping[str, Any]] = []
    deletions: list[str] = []
    refused: list[Refusal] = []
    for record in records:
        try:
            said = read(record)
        except ValueError as error:
            refused.append(Refusal(str(error), kept(record, kept_fields)))
            continue
        if isinstance(said, str):
            deletions.append(said)
        elif said is not None:
            several = [said] if isinstance(said, Mapping) else said
            marks += [mark for mark in several if within(pull, mark["session_date"])]
    return MarksPage(marks, deletions, refused)


def text(record: Mapping[str, Any], name: str, what: str) -> str:
    """A field that must be there, as text without blanks around it; a whole number is taken as its digits.

    what: what the field is, for the reason. Raises ValueError when it is missing, empty, or too long to be a reference.
    """
    value = record.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_REFERENCE:
        raise ValueError(f"{what} is missing")
    return value.strip()


def minutes_late(value: Any) -> int | None:
    """Minutes late where the source has them: a number, or digits; anything else is "not given"."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= _MINUTES_OF_A_DAY else None


def kept(record: Mapping[str, Any], fields: Set[str]) -> dict[str, Any]:
    """The record with these fields only: ids, codes, dates. A name, a comment or a note goes no further (rule 27)."""
    return {name: value for name, value in record.items() if name in fields}


def strange_codes(name: str, source: Source, codes: Iterable[str]) -> list[str]:
    """What `Connector.check` says of a school whose codes are not in the scheme it is said to use; [] if they are."""
    strange = {code for code in codes if code and code not in BY_CODE}
    if not strange or source.code_scheme != NATIONAL:
        return []
    return [
        f"{len(strange)} of its codes are not national ones: set code_scheme to local and publish a code map of the "
        f"scheme {name}:{source.urn}"
    ]


def within(pull: Pull, day: int) -> bool:
    """Whether a day (since 1970) belongs to the pull: it does where there is no window."""
    window = pull.window
    return window is None or days(window.first_day) <= day <= days(window.last_day)
