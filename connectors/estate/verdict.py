"""What the judge found, table by table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding", "Verdict"]

_EXAMPLES = 5


@dataclass
class Finding:
    """Differences of one table: rows that must be there and are not, that are there twice or should not be at all, and
    that say something else. `examples` name places and columns, never a pupil."""

    rows: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether nothing was found."""
        return not (self.lost or self.duplicated or self.wrong)

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Count a difference: kind is 'lost', 'duplicated' or 'wrong'."""
        setattr(self, kind, getattr(self, kind) + count)
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{kind}: {example}")


@dataclass
class Verdict:
    """All tables, and what the messages on the topics amount to."""

    tables: dict[str, Finding] = field(default_factory=dict)
    messages: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    marks: int = 0
    accepted: int = 0
    unchanged: int = 0
    superseded: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    exceptions: Counter[str] = field(default_factory=Counter)
    standing: int = 0
    #: How many of the marks are evidence, which stands nowhere (rule 17).
    evidence: int = 0

    @property
    def equal(self) -> bool:
        """Whether every table is what it must be."""
        return all(finding.equal for finding in self.tables.values())

    @property
    def lost(self) -> int:
        """Rows that are missing, over all tables."""
        return sum(finding.lost for finding in self.tables.values())

    @property
    def duplicated(self) -> int:
        """Rows too many, over all tables."""
        return sum(finding.duplicated for finding in self.tables.values())

    @property
    def wrong(self) -> int:
        """Rows that say something else, over all tables."""
        return sum(finding.wrong for finding in self.tables.values())

    def as_json(self) -> dict[str, Any]:
        """A document for `--json`."""
        return {
            "equal": self.equal,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "wrong": self.wrong,
            "messages": self.messages,
            "refused": dict(self.refused),
            "marks": self.marks,
            "accepted": self.accepted,
            "unchanged": self.unchanged,
            "superseded": self.superseded,
            "quarantined": dict(self.quarantined),
            "exceptions": dict(self.exceptions),
            "standing": self.standing,
            "evidence": self.evidence,
            "tables": {
                name: {
                    "rows": finding.rows,
                    "lost": finding.lost,
                    "duplicated": finding.duplicated,
                    "wrong": finding.wrong,
                    "examples": finding.examples,
                }
                for name, finding in self.tables.items()
            },
        }
