"""The questions a head of attendance asks of the marks. The answers name schools, sessions and groups, never a pupil.

unmarked: sessions without marks. conflicts: marks on which two systems disagree. amendments: those made after the
window. unexplained: N that still stands after five school days. late: groups whose register is mostly late, and by how
much.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.statements import load

__all__ = ["QUESTIONS", "Asked", "answer", "statement"]

#: What can be asked; each is sinks/sql/question_<name>.sql.
QUESTIONS = ("unmarked", "conflicts", "amendments", "unexplained", "late")


@dataclass(frozen=True, slots=True)
class Asked:
    """About which session dates (both inclusive) and schools (all when empty), and what is too late.

    ``window``: school days in which a mark may be amended and an N stand (rule 26); None: for amendments
    the window that the school has on the session date (`amendment_windows`), 5 where none says; 5 for an N. ``least``,
    ``percent``: a group is late with at least so many registers that came, and at least so many per cent of them late.
    """

    first: date
    last: date
    today: date
    urns: tuple[int, ...] = field(default=())
    window: int | None = None
    least: int = 3
    percent: int = 50


def answer(client: Client, question: str, asked: Asked) -> list[dict[str, Any]]:
    """The rows of an answer, by name of the column, in the order in which to read them. ``question``: of QUESTIONS."""
    parameters = {
        "first": asked.first,
        "last": asked.last,
        "today": asked.today,
        "urns": list(asked.urns),
        "window": asked.window,
        "least": asked.least,
        "percent": asked.percent,
    }
    return list(client.query(statement(question), parameters=parameters).named_results())


def statement(question: str) -> str:
    """What `answer` asks, for `sinks.as_at.opened`."""
    return load(f"question_{question}")
