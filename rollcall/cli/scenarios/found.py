"""What came of the demo's day: the answer, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.estate.verdict import Verdict
    from rollcall.cli.scenarios.front_desk import Desks
    from rollcall.cli.scenarios.looked_into import LookedInto
    from sinks.reconcile import Reconciliation
    from sinks.reports import DayReport
    from sinks.verify import Verification

__all__ = ["Found"]


@dataclass
class Found:
    """What came of the day. `findings`: (finding, accepted, how many, schools, what it is, what to do).
    `makes`: schools by how their marks came."""

    verdict: Verdict
    account: Reconciliation
    rebuilt: Verification
    report: DayReport
    missing: list[tuple[str, int, list[str], int]]
    findings: list[tuple[str, bool, int, int, str, str]]
    posted: int
    pulls: int
    desks: Desks
    makes: dict[str, int]
    #: What came of what changes at the trust on the day (`Upheaval.told`).
    upheavals: dict[str, int]
    #: One figure explained, and the day as known at noon.
    looked_into: LookedInto
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """Equal to the truth, every message and mark accounted for, the current state what the history says, and the
        explained figure the sum of its marks."""
        return self.verdict.equal and self.account.gap == 0 and self.rebuilt.equal and self.looked_into.explained.equal

    def as_json(self) -> dict[str, Any]:
        """The document of `rollcall demo --json`."""
        counted = {name: self.account.total(name) for name in ("messages", "accepted", "unchanged")}
        return {
            "truth_equal": self.verdict.equal,
            "reconcile_gap": self.account.gap,
            "verify_equal": self.rebuilt.equal,
            "marks": self.account.total("marks"),
            **counted,
            "quarantined": {name: found for name, accepted, found, *_ in self.findings if not accepted},
            "exceptions": {name: found for name, accepted, found, *_ in self.findings if accepted},
            "missing_registers": sum(len(registers) for _, _, registers, _ in self.missing),
            "standing": self.verdict.standing,
            "kiosks": self.desks.as_json(),
            "schools_by_make": self.makes,
            "upheavals": self.upheavals,
            "truth": self.verdict.as_json(),
            "report": self.report.as_json(),
            **self.looked_into.as_json(),
            "seconds": round(sum(self.seconds.values()), 1),
            "seconds_by_part": {what: round(seconds, 1) for what, seconds in self.seconds.items()},
        }
