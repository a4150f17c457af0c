"""Dates and instants as the options of commands say them."""

from __future__ import annotations

from datetime import date, datetime

from rollcall.domain.clock import parse_local
from rollcall.errors import UsageError

__all__ = ["day", "instant", "span"]


def day(option: str, written: str) -> date:
    """The date that an option says. Raises UsageError, naming the option, when it is none."""
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise UsageError(f"{option} {written}: a date is written 2025-09-10") from None


def span(first: str, last: str) -> tuple[date, date]:
    """What `--from` and `--to` say, both inclusive. Raises UsageError as `day`, and for a last day before the first."""
    since, until = day("--from", first), day("--to", last)
    if until < since:
        raise UsageError(f"--to {until} is before --from {since}")
    return since, until


def instant(option: str, written: str) -> datetime:
    """The instant that an option says; without an offset it is London time (rule 8). Raises UsageError as `day`."""
    try:
        return parse_local(written).instant
    except ValueError:
        raise UsageError(f"{option} {written}: an instant is written '2025-09-16 10:30'") from None
