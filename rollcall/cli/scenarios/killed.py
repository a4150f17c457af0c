"""What a run that kills an agent comes to, the same for every agent: `rollcall agents torture` prints it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

__all__ = ["Line", "Result"]


class Line(NamedTuple):
    """One line of the table. expected: things that must have been written. repeated: written more than once, under the
    same id: harmless. wrong: says something else, or should not be there."""

    agent: str
    kills: int
    expected: int
    lost: int
    repeated: int
    wrong: int


class Result(Protocol):
    """What each scenario returns."""

    @property
    def harmless(self) -> bool:
        """Nothing lost, wrong or too much anywhere."""

    def line(self) -> Line:
        """Its line of the table."""

    def told(self) -> list[str]:
        """More of it, for a person."""

    def as_json(self) -> dict[str, Any]:
        """The document of `--json`."""
