"""Why a file cannot be taken at all."""

from __future__ import annotations

from rollcall.errors import SourceError

__all__ = ["Unreadable"]


class Unreadable(SourceError):  # noqa: N818 - what was found
    """A file that is refused whole: one line that says what is wrong and where, and quotes nothing of what it holds."""
