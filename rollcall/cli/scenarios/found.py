"""What came of the demo's day: the answer, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.estate.verdict import Verdict
    from rollcall.cli.scenarios.answers import Answers

__all__ = ["Found"]


@dataclass
class Found:
    """What came of the day. `makes`: schools by how their marks came."""

    verdict: Verdict
    asked: Answers
    posted: int
    pulls: int
    makes: dict[str, int]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """Equal to the truth, every message and mark accounted for, the current state what the history says, and the
        explained figure the sum of its marks."""
        return (
            self.verdict.equal
            and self.asked.account.gap == 0
            and self.asked.rebuilt.equal
            and self.asked.looked_into.explained.equal
        )

    def as_json(self) -> dict[str, Any]:
        """The document of `rollcall demo --json`."""
        counted = {name: self.asked.account.total(name) for name in ("messages", "accepted", "unchanged")}
        return {
            "truth_equal": self.verdict.equal,
            "reconcile_gap": self.asked.account.gap,
            "verify_equal": self.asked.rebuilt.equal,
            "marks": self.asked.account.total("marks"),
            **counted,
            "quarantined": {name: found for name, accepted, found, *_ in self.asked.findings if not accepted},
            "exceptions": {name: found for name, accepted, found, *_ in self.asked.findings if accepted},
            "missing_registers": sum(len(registers) for _, _, registers, _ in self.asked.missing),
            "standing": self.verdict.standing,
            "kiosks": self.asked.desks.as_json(),
            "schools_by_make": self.makes,
            "upheavals": self.asked.told,
            "truth": self.verdict.as_json(),
            "report": self.asked.report.as_json(),
            **self.asked.looked_into.as_json(),
            "seconds": round(sum(self.seconds.values()), 1),
            "seconds_by_part": {what: round(seconds, 1) for what, seconds in self.seconds.items()},
        }
