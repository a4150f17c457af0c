"""Dates and instants as the options of commands say them."""

from __future__ import annotations

from datetime import date, datetime

from rollcall.errors import UsageError

__all__ = ["day", "instant"]


def day(option: str, written: str) -> date:
    """The date that an option says. Raises UsageError, naming the option, when it is none."""
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise UsageError(f"{option} {written}: a date is written 2025-09-10") from None


def instant(option: str, written: str) -> datetime:
    """The instant that an option says, London where it has no offset (rule 8). Raises UsageError, naming the option."""
    from rollcall.domain.clock import parse_local

    try:
        return parse_local(written).instant
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
