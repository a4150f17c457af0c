"""Dates as the options of commands say them."""

from __future__ import annotations

from datetime import date

from rollcall.errors import UsageError

__all__ = ["day"]


def day(option: str, written: str) -> date:
    """The date that an option says. Raises UsageError, naming the option, when it is none."""
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise UsageError(f"{option} {written}: a date is written 2025-09-10") from None
