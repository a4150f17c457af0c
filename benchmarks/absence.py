"""Persistent absence of an authority, year to date: `python -m benchmarks.absence [SCHOOLS]`, on the settings' stack.

A database of its own is filled by SQL: an authority of SCHOOLS schools (60) of 834 pupils within a nation of six, whose
others are smaller, from the first day of term on. Prints JSON: seconds of the report with a line per school, mark by
mark, out of packed weeks, and with the last week not packed. Who was absent when is arithmetic, done again here and
held against every answer.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from statistics import median
from typing import Any

from clickhouse_connect.driver.client import Client

from benchmarks.strike import database, fill
from rollcall.domain.places import excluded_days
from rollcall.settings import Settings
from sinks.absence import AbsenceReport, Asked, absence_report
from sinks.derive import counts_expression, fill_counts
from sinks.reference import make_missing
from sinks.statements import load
from sinks.weeks import make

_DATABASE = "benchmark_absence"
_PUPILS, _OTHERS, _RUNS = 834, 150, 7
_FIRST, _LAST, _LEFT = date(2025, 9, 1), date(2026, 1, 30), date(2025, 11, 14)
_HOLIDAYS = ((date(2025, 10, 27), date(2025, 10, 31)), (date(2025, 12, 22), date(2026, 1, 2)))
_ASKED = Asked(_FIRST, _LAST, las=("901",))


def run(client: Client, schools: int) -> dict[str, Any]:
    """Fill the client's database and ask. Raises AssertionError: not the figures."""
    begun = time.perf_counter()
    marks = fill_all(client, schools)
    found: dict[str, Any] = {
        "pupils": schools * _PUPILS,
        "marks": marks,
        "filled_s": round(time.perf_counter() - begun, 1),
    }
    found["from_marks"] = _figures(client, schools)
    begun = time.perf_counter()
    found["weeks_packed"] = make(client)
    found["packed_s"] = round(time.perf_counter() - begun, 1)
    found["from_weeks"] = _figures(client, schools)
    _fill(client, "open", week=_LAST - timedelta(days=_LAST.weekday()))
    found["from_weeks_but_for_the_last"] = _figures(client, schools)
    return found


def fill_all(client: Client, schools: int) -> int:
    """Fill reference data, marks and counts; returns how many marks the authority has."""
    sizes = {"pupils": _PUPILS, "others": _OTHERS}
    for name in ("school", "version"):
        _fill(client, name, schools=schools)
    make_missing(client)
    fill(client, "codes", schools)
    _fill(client, "roll", schools=schools, left=_LEFT, **sizes)
    days = list(_school_days())
    for begun in range(0, len(days), 5):
        week = days[begun : begun + 5]
        _fill(client, "marks", schools=schools, days=week, **sizes, **{"from": begun})
        current = f"(SELECT * FROM mark_current WHERE session_date BETWEEN '{week[0]}' AND '{week[-1]}')"
        fill_counts(client, counts_expression(current, load("verify_no_counts")), {}, {})
    return len(days) * 2 * schools * _PUPILS


def _fill(client: Client, name: str, **parameters: Any) -> None:
    statement = (files("benchmarks") / "sql" / f"absence_{name}.sql").read_text(encoding="utf-8")
    client.command(statement, parameters=parameters)


def _figures(client: Client, schools: int) -> dict[str, Any]:
    taken = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        report = absence_report(client, _ASKED, "school")
        taken.append(time.perf_counter() - begun)
        _check(report, schools)
    return {"median_s": round(median(taken), 3), "runs_s": [round(one, 3) for one in taken]}


def _check(report: AbsenceReport, schools: int) -> None:
    counts = [(line.enrolments, line.possible, line.absent, line.persistent, line.severe) for line in report.lines]
    assert counts == [_key()] * schools, counts[0]
    assert report.total.persistent == schools * _key()[3]


def _key() -> tuple[int, int, int, int, int]:
    """Of every school of the authority: enrolments, possible and absent sessions, persistently and severely absent."""
    left_out = excluded_days(_FIRST, _LAST, breakdown="YTD")
    numbered = [(number, day) for number, day in enumerate(_school_days()) if day not in left_out]
    pupils = []
    for place in range(_PUPILS):
        kind = place % 50
        share = kind // 5 if kind < 40 else 12 if kind < 47 else 25 if kind < 49 else 60
        last = _LEFT if kind == 20 else _LAST
        sessions = [2 * number + half for number, day in numbered if day <= last for half in (0, 1)]
        possible = [one for one in sessions if not (kind == 3 and one % 10 == 0)]
        pupils.append((len(possible), sum((13 * one + place) % 100 < share for one in possible)))
    return (
        len(pupils), sum(possible for possible, _ in pupils), sum(absent for _, absent in pupils),
        sum(10 * absent >= possible for possible, absent in pupils),
        sum(2 * absent >= possible for possible, absent in pupils),
    )  # fmt: skip


def _school_days() -> Iterator[date]:
    day = _FIRST
    while day <= _LAST:
        if day.weekday() < 5 and not any(first <= day <= last for first, last in _HOLIDAYS):
            yield day
        day += timedelta(days=1)


def main() -> None:
    """Fill, measure, print, drop."""
    schools = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with database(Settings.load(), _DATABASE) as client:
        print(json.dumps(run(client, schools), indent=2))


if __name__ == "__main__":
    main()
