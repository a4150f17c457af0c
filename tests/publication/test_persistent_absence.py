"""Who is persistently absent: 10 x absent >= possible, as integers, of each enrolment with a possible session.

Acceptance fact 4, as far as it is published: 38 absences of 380 possible sessions are persistent absence, exactly a
tenth; a pupil without a possible session is no enrolment. (Severe absence is in no published file: test_absence.py.)
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from rollcall.domain.codes import CODES
from rollcall.domain.layouts import DASHBOARD_2025
from sinks.publishing import Asked, rows
from tests.sinks import rows as db_rows

#: A year's 190 days, one after the other, with two sessions each.
FIRST = date(2024, 9, 9)
DAYS = [FIRST + timedelta(days=number) for number in range(190)]
SESSIONS = [(day, session) for day in DAYS for session in ("AM", "PM")]


def year_of(pupil: int, *codes: tuple[str, int]) -> list[dict[str, Any]]:
    """A pupil's marks from the first session on: so many of each code."""
    said = [code for code, number in codes for _ in range(number)]
    return [
        db_rows.mark(pupil, code, session_date=day, session=session, offset=pupil * 1_000 + number)
        for number, (code, (day, session)) in enumerate(zip(said, SESSIONS, strict=False))
    ]


@pytest.mark.parametrize(
    ("codes", "enrolments", "persistent"),
    [
        ((("I", 38), ("/", 342)), 1, 1),
        ((("I", 37), ("/", 343)), 1, 0),
        ((("O", 19), ("U", 19), ("/", 342)), 1, 1),
        ((("I", 190), ("/", 190)), 1, 1),
        ((("I", 1), ("/", 9)), 1, 1),
        ((("I", 1), ("/", 10)), 1, 0),
        # What is not possible is on neither side: 37 of 370.
        ((("I", 37), ("Y4", 10), ("/", 333)), 1, 1),
        # Late after registration closed is absence, late before it and approved activity are attendance.
        ((("U", 37), ("L", 40), ("V", 303)), 1, 0),
        ((("Y4", 100), ("D", 180), ("#", 100)), 0, 0),
        # A code that no map knows is neither present nor absent (rule 2).
        ((("I", 1), ("/", 9), ("??", 100)), 1, 1),
    ],
)
def test_fact_4_a_tenth_exactly_is_persistent_and_nothing_possible_is_no_enrolment_rules_19_and_20(
    clickhouse: Any, codes: tuple[tuple[str, int], ...], enrolments: int, persistent: int
) -> None:
    db_rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    db_rows.school(clickhouse, 100001)
    # A second pupil, so that the authority has a row whatever the first one's marks are.
    db_rows.history(clickhouse, [*year_of(1, *codes), *year_of(2, ("/", 20))])
    (year,) = [
        one
        for one in rows(clickhouse, DASHBOARD_2025, Asked(DAYS[-1], DAYS[-1], ("330",), suppression="none"))
        if (one["breakdown"], one["school_type"]) == ("YTD", "Primary")
    ]
    assert (year["ytd_enrolments"], year["pa_flag"]) == (str(enrolments + 1), str(persistent))


def test_fact_4_a_mover_is_an_enrolment_at_each_school_rule_20(clickhouse: Any) -> None:
    """37 of 370 at the first school is a tenth, none of 10 at the second is not; together it would be less."""
    db_rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    for urn in (100001, 100002):
        db_rows.school(clickhouse, urn)
    whole = year_of(1, ("I", 37), ("/", 343))
    moved = [{**one, "urn": 100001 if number < 370 else 100002} for number, one in enumerate(whole)]
    db_rows.history(clickhouse, moved)
    (year,) = [
        one
        for one in rows(clickhouse, DASHBOARD_2025, Asked(DAYS[-1], DAYS[-1], ("330",), suppression="none"))
        if (one["breakdown"], one["school_type"]) == ("YTD", "Primary")
    ]
    assert (year["ytd_enrolments"], year["pa_flag"]) == ("2", "1")
