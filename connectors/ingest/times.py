"""Times as senders write them: with an offset, or without one in London time (rule 8)."""

from __future__ import annotations

from datetime import datetime

from connectors.encoding import milliseconds
from rollcall.domain.clock import local_instant

__all__ = ["shown_twice", "since_1970_ms"]


def since_1970_ms(time: datetime) -> int:
    """Whole milliseconds since 1970. Without an offset: London time, the earlier of two."""
    return milliseconds(time if time.tzinfo is not None else local_instant(time).instant)


def shown_twice(time: datetime) -> bool:
    """Whether London's clocks showed this time without an offset twice."""
    return time.tzinfo is None and local_instant(time).ambiguous
