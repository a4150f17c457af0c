"""`rollcall report day`: a day that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rollcall.domain.codes import CODES
from rollcall.errors import UsageError
from sinks.reports import Line, day_report, percent
from tests.sinks import rows

PRIMARY, SECONDARY, PRU = 100001, 100002, 100003


@pytest.fixture
def day(clickhouse: Any) -> Any:
    """Three schools of two LAs, one in a trust, AM only (its PM is missing everywhere).

    primary: 4 pupils, / I U and nothing; secondary: 3 pupils in scope, L, an unmapped code and Y7, a sixth-former /;
    PRU: one pupil /.
    """
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    rows.school(clickhouse, PRIMARY, trust_id="7", trust_name="A Trust", name="Low Primary")
    rows.school(clickhouse, SECONDARY, phase="Secondary", la_code="331", la_name="Coventry")
    rows.school(clickhouse, PRU, phase="PRU/AP")
    sixth = {"year_group": "12", "age_31_august": 16, "in_scope": False}
    rows.roster(clickhouse, PRIMARY, [rows.pupil(n, year_group="5") for n in (1, 2, 3, 4)])
    rows.roster(clickhouse, SECONDARY, [*(rows.pupil(n) for n in (11, 12, 13)), rows.pupil(14, group="12A", **sixth)])
    rows.roster(clickhouse, PRU, [rows.pupil(21, year_group="10")])
    for urn in (PRIMARY, SECONDARY, PRU):
        rows.calendar(clickhouse, urn)
        rows.timetable(clickhouse, urn, groups=("7A", "12A") if urn == SECONDARY else ("7A",))
    five: dict[str, Any] = {"urn": PRIMARY, "year_group": "5"}
    seven: dict[str, Any] = {"urn": SECONDARY}
    rows.history(
        clickhouse,
        [
            rows.mark(1, "/", **five),
            rows.mark(2, "I", **five),
            rows.mark(3, "U", **five, exceptions=("upn_invalid",)),
            rows.mark(11, "L", **seven),
            rows.mark(12, "9", **seven, canonical_code="", exceptions=("unmapped_code",)),
            rows.mark(13, "Y7", **seven),
            rows.mark(14, "/", urn=SECONDARY, year_group="12", in_scope=False, group_id="12A"),
            rows.mark(21, "/", urn=PRU, year_group="10"),
        ],
    )
    return clickhouse


def counts(line: Line) -> tuple[int, ...]:
    return (line.possible, line.attendance, line.authorised, line.unauthorised, line.late, line.unknown)


def test_the_headline_pools_sessions(day: Any) -> None:
    report = day_report(day, rows.DAY)
    total = report.total
    assert (total.schools, total.schools_expected, total.pupils) == (2, 2, 7)
    assert counts(total) == (4, 2, 1, 1, 2, 1)
    assert total.as_json()["attendance_rate"] == 50.0
    assert report.lines == ()
    assert report.exceptions == {"upn_invalid": 1, "unmapped_code": 1}
    assert report.quarantined == {}


def test_missing_is_neither_absent_nor_present(day: Any) -> None:
    """Morning: one primary pupil without a mark. Afternoon: seven pupils in scope, and two registers."""
    total = day_report(day, rows.DAY).total
    assert (total.missing_marks, total.missing_registers) == (1 + 7, 2)
    assert total.possible == total.attendance + total.absence


def test_all_counts_everybody(day: Any) -> None:
    total = day_report(day, rows.DAY, headline=False).total
    assert (total.schools, total.pupils) == (3, 9)
    assert counts(total) == (6, 4, 1, 1, 2, 1)
    # The afternoon's registers: one of the primary, two of the secondary, one of the PRU.
    assert (total.missing_marks, total.missing_registers) == (1 + 9, 4)


def test_a_line_per_group_and_a_total_that_pools_them(day: Any) -> None:
    by_phase = day_report(day, rows.DAY, "phase")
    assert [(line.key, line.attendance, line.possible) for line in by_phase.lines if line.possible] == [
        ("Primary", 1, 3),
        ("Secondary", 1, 1),
    ]
    assert counts(by_phase.total) == (4, 2, 1, 1, 2, 1)
    by_la = day_report(day, rows.DAY, "la", headline=False)
    assert [(line.label, line.schools) for line in by_la.lines] == [("Birmingham", 2), ("Coventry", 1)]
    by_trust = day_report(day, rows.DAY, "trust")
    assert {(line.label, line.possible) for line in by_trust.lines} == {("A Trust", 3), ("in no trust", 1)}
    by_school = day_report(day, rows.DAY, "school", headline=False)
    assert [(line.key, line.label) for line in by_school.lines] == [
        ("100001", "Low Primary"),
        ("100002", "School 100002"),
        ("100003", "School 100003"),
    ]


def test_year_groups_come_in_their_order_and_a_school_may_be_in_several(day: Any) -> None:
    report = day_report(day, rows.DAY, "year-group", headline=False)
    assert [(line.key, line.schools) for line in report.lines] == [("5", 1), ("7", 1), ("10", 1), ("12", 1)]
    assert report.total.schools == 3


def test_a_school_that_sent_nothing_is_expected_and_missing(day: Any) -> None:
    rows.school(day, 100009)
    rows.roster(day, 100009, [rows.pupil(91)])
    rows.timetable(day, 100009)
    rows.calendar(day, 100009)
    (silent,) = [line for line in day_report(day, rows.DAY, "school").lines if line.key == "100009"]
    assert (silent.schools, silent.schools_expected, silent.pupils) == (0, 1, 1)
    assert (silent.possible, silent.missing_marks, silent.missing_registers) == (0, 2, 2)
    assert silent.as_json()["attendance_rate"] is None


def test_an_amendment_moves_the_figures(day: Any) -> None:
    later = {"asserted_at": datetime(2025, 9, 10, 10, tzinfo=UTC), "ingested_at": rows.ARRIVED + timedelta(hours=1)}
    rows.history(day, [rows.mark(2, "/", urn=PRIMARY, year_group="5", offset=500, batch=2, **later)])
    assert counts(day_report(day, rows.DAY).total) == (4, 3, 0, 1, 2, 1)


def test_a_day_without_anything_is_empty(day: Any) -> None:
    report = day_report(day, date(2025, 9, 13), "school")
    assert report.lines == ()
    assert report.total.as_json()["attendance_rate"] is None


def test_a_grouping_that_there_is_none_of_is_refused(clickhouse: Any) -> None:
    with pytest.raises(UsageError, match="by trust, la, phase, school, year-group; not by moon"):
        day_report(clickhouse, rows.DAY, "moon")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "whole", "printed"),
    [
        (1, 3, "33.33"),
        (2, 3, "66.67"),
        # Exactly between two hundredths: half up, where the binary float or the banker would go down.
        (107, 4_000, "2.68"),
        (1, 800, "0.13"),
        (3, 800, "0.38"),
        (40_001, 800_000, "5.00"),
        (40_005, 800_000, "5.00"),
        (40_020, 800_000, "5.00"),
        (40_040, 800_000, "5.01"),
        (0, 7, "0.00"),
        (7, 7, "100.00"),
    ],
)
def test_rule_19_rates_are_rounded_half_up(part: int, whole: int, printed: str) -> None:
    """Acceptance fact 13, in integers: 107 of 4,000 sessions, 2.675 %, are printed as 2.68; no epsilon needed."""
    assert percent(part, whole) == Decimal(printed)


def test_rule_19_no_sessions_no_rate() -> None:
    assert percent(0, 0) is None


def test_rule_19_a_published_day_comes_out_as_published(clickhouse: Any) -> None:
    """Acceptance fact 2, for 2025/26: the total pools the phases. 10 September 2025, national: sessions attended,
    authorised and unauthorised by phase, and the published rates.

    Source: "Pupil attendance in schools", week 37 of 2025, Department for Education (Open Government Licence). The
    total is not the mean of the phases' rates.
    """
    published = {
        "Primary": ((6_858_787, 152_878, 95_589), ("96.50", "2.15", "1.34")),
        "Secondary": ((5_954_123, 197_044, 147_528), ("94.53", "3.13", "2.34")),
        "Special": ((255_185, 19_893, 8_765), ("89.90", "7.01", "3.09")),
    }
    for urn, (phase, (sessions, _)) in enumerate(published.items(), start=100_001):
        rows.school(clickhouse, urn, phase=phase)
        place = {"session_date": rows.DAY, "urn": urn, "session": "AM", "in_scope": True, "year_group": "5"}
        counted = zip(("/", "I", "O"), sessions, strict=True)
        rows.insert(
            clickhouse,
            "school_session",
            [{**place, "canonical_code": code, "marks": marks, "derived_version": 1} for code, marks in counted],
        )
    report = day_report(clickhouse, rows.DAY, "phase")

    def rates(line: Line) -> tuple[str, ...]:
        return tuple(
            str(percent(part, line.possible)) for part in (line.attendance, line.authorised, line.unauthorised)
        )

    assert {line.key: rates(line) for line in report.lines} == {
        phase: printed for phase, (_, printed) in published.items()
    }
    assert report.total.possible == 13_689_792
    assert rates(report.total) == ("95.46", "2.70", "1.84")
