"""The small estate of docs/analysts.md, and the page's blocks: what is run, and what is shown of it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from rollcall.domain.codes import CODES
from tests.sinks import rows

__all__ = ["PAGE", "Block", "blocks", "load", "run"]

PAGE = Path(__file__).parents[2] / "docs" / "analysts.md"
#: A block that is run, and the block below it, which shows what came of it.
_RUN = re.compile(r"^```(sql|python)\n(.*?)^```\n\n```\n(.*?)^```\n", re.M | re.S)
#: Where the page says that the demo is.
_DEMO = ("127.0.0.1", "43931", '"rollcall"')
#: Tuesday to Friday of the second week; the Monday of the first is an INSET day, and the year goes on to July.
INSET = date(2025, 9, 1)
DAYS = [day for n in range(1, 12) if (day := INSET + timedelta(days=n)).isoweekday() <= 5]
PRIMARY, SECONDARY = 100001, 100002
#: What a pupil's place and the day make of a mark: mostly present, some late, some away.
_CODES = f"{'/' * 17}L{'/' * 11}I{'/' * 9}V{'/' * 8}O{'/' * 7}U{'/' * 5}"


@dataclass(frozen=True)
class Block:
    """One block of the page: its language, what is run, and what the page shows."""

    language: str
    text: str
    shown: str


def blocks() -> list[Block]:
    """Every block that is run, in the order of the page."""
    return [Block(*found) for found in _RUN.findall(PAGE.read_text(encoding="utf-8"))]


def run(block: Block, client: Any, place: tuple[str, int, str]) -> str:
    """What a block gives: the rows of a query as a table, or what a program prints."""
    if block.language == "sql":
        found = client.query(block.text)
        return "".join(_table(found.column_names, found.result_rows))
    text, (host, port, database) = block.text, place
    for said, meant in zip(_DEMO, (host, str(port), f'"{database}"'), strict=True):
        text = text.replace(said, meant)
    with redirect_stdout(io.StringIO()) as out:
        exec(compile(text, str(PAGE), "exec"), {})
    return out.getvalue()


def load(client: Any) -> None:
    """A primary school of eight and a secondary school of twelve, one of them in the sixth form."""
    rows.code_map(client, {code.code: code.code for code in CODES})
    pupils = {PRIMARY: range(1, 9), SECONDARY: range(11, 23)}
    rows.school(client, PRIMARY, name="Low Primary", trust_id="7", trust_name="A Trust")
    rows.school(client, SECONDARY, name="High School", phase="Secondary", la_code="331", la_name="Coventry")
    for urn, numbers in pupils.items():
        rows.roster(client, urn, [rows.pupil(number, **_who(urn, number)) for number in numbers])
        rows.timetable(client, urn)
        rows.calendar(client, urn, closed=[INSET])
    rows.history(
        client, [_mark(urn, number, *at) for urn in pupils for number in pupils[urn] for at in _sessions(number)]
    )
    # The MIS says something else of one morning, and a mark is amended the week after.
    mis = {"source": "mis", "source_kind": "mis", "record_id": "r1", "group_id": "", "batch": 2}
    rows.history(client, [_mark(PRIMARY, 3, DAYS[-1], "AM", code="I", again=1, **mis)])
    amended = {
        "amended_from": "O", "amend_reason": "late-note", "amend_evidence": "message", "batch": 3,
        "amended_at": datetime(2025, 9, 11, 12, tzinfo=UTC),
    }  # fmt: skip
    rows.history(client, [_mark(SECONDARY, 13, DAYS[0], "AM", code="I", again=2, **amended)])


def _sessions(number: int) -> Iterator[tuple[date, str]]:
    """Every session, but the last afternoon of two pupils, which is missing."""
    for day in DAYS:
        for session in ("AM", "PM"):
            if not (number in (7, 8) and day == DAYS[-1] and session == "PM"):
                yield day, session


def _who(urn: int, number: int) -> dict[str, Any]:
    if urn == PRIMARY:
        return {"year_group": "5", "age_31_august": 9}
    return {"year_group": "12", "age_31_august": 16, "in_scope": False} if number == 22 else {}


def _mark(
    urn: int, number: int, day: date, session: str, code: str = "", again: int = 0, **facts: Any
) -> dict[str, Any]:
    who = _who(urn, number)
    place = (day - INSET).days * 2 + (session == "PM")
    said = datetime(day.year, day.month, day.day, 8 if session == "AM" else 12, tzinfo=UTC) + timedelta(hours=again)
    # One pupil of each school is away every other day.
    often = "I" if number in (2, 12) and day.day % 2 else ""
    usual = _CODES[(5 * number + 3 * place) % len(_CODES)]
    return rows.mark(
        number, code or often or usual, urn=urn, session_date=day, session=session,
        asserted_at=said, offset=again * 1_000_000 + number * 1_000 + place, year_group=who.get("year_group", "7"),
        in_scope=who.get("in_scope", True), **facts,
    )  # fmt: skip


def _table(names: tuple[str, ...], found: Any) -> Iterator[str]:
    cells = [tuple(names), *(tuple("NULL" if one is None else str(one) for one in row) for row in found)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
