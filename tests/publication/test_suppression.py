"""What is withheld stays withheld (rule 23): the Department's suppression is undone by subtraction, the safe one not.

What is it: a reader who adds and subtracts (tests/publication/subtraction.py) goes over published files. When does it
matter: one school's figures, and the few pupils of a sensitive code, must not be had from what stands beside them. How
to resolve: the cell that is named can be determined; sinks/suppression.py says what should have hidden it.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rollcall.domain.codes import BY_CODE, CODES
from rollcall.domain.layouts import DASHBOARD_2025
from rollcall.errors import UsageError
from sinks.suppression import SENSITIVE, withhold
from tests.publication.subtraction import SUMS, Cell, recovered

#: The whole file, where it is.
EDITION = Path(__file__).parents[3] / "shared" / "data" / "dfe_dashboard_2025_week37_full.csv"
#: A code of every kind, most of them rare; and how many at most in a school and day.
MARKS = {"/": 300, "\\": 300, "L": 20, "I": 15, "C": 3, "T": 2, "E": 2, "O": 8, "Y5": 1, "Y6": 2}
COLUMNS = [*(BY_CODE[code].dfe_column for code in MARKS), *SUMS]
DAYS = ("08/09/2025", "09/09/2025")
SMALL = {BY_CODE[code].dfe_column: most for code, most in SENSITIVE.items()}
CATEGORIES = {code.code: [code.category] for code in CODES}

Row = dict[str, str]


def file_of(seed: int) -> list[Row]:
    """A file of two days of an invented nation: some authorities have one school, some codes are rare or never used."""
    chance = random.Random(seed)
    never = set(chance.sample(["T", "E", "C", "Y5", "Y6"], chance.randint(0, 3)))
    counts: dict[tuple[str, ...], Counter[str]] = {}
    schools: dict[tuple[str, ...], int] = Counter()
    for region in range(chance.randint(1, 3)):
        for authority in range(chance.randint(1, 5)):
            for phase in ("Primary", "Secondary", "Special"):
                if chance.random() < 0.2:
                    continue
                number = chance.choice((1, 2, 2, 3, 4))
                for day in DAYS:
                    if chance.random() < 0.1:
                        continue
                    codes = Counter[str]()
                    for _ in range(number):
                        used = ((code, most) for code, most in MARKS.items() if code not in never)
                        codes.update({code: chance.randint(0, most) for code, most in used})
                    areas = (("National", "", ""), ("Regional", f"R{region}", ""))
                    for area in (*areas, ("Local authority", f"R{region}", f"{region}{authority}")):
                        for kind in (phase, "Total"):
                            for span, at in (("Daily", day), ("Weekly", DAYS[0]), ("YTD", DAYS[0])):
                                counts.setdefault((*area, kind, span, at), Counter()).update(codes)
                            schools[(*area, kind, "Daily", day)] += number
    return [row_of(key, codes, schools) for key, codes in counts.items()]


def row_of(key: tuple[str, ...], codes: Counter[str], schools: dict[tuple[str, ...], int]) -> Row:
    level, region, authority, phase, span, day = key
    daily = [schools[level, region, authority, phase, "Daily", one] for one in DAYS]
    mean = schools[key] if span == "Daily" else sum(daily) / sum(number > 0 for number in daily)
    numbers = {code.dfe_column: codes[code.code] for code in CODES if code.code in MARKS}
    for whole, parts in SUMS.items():
        numbers[whole] = sum(numbers.get(part, 0) for part in parts)
    shares = {name: str(numbers[of]) for name, of in DASHBOARD_2025.percentages.items() if of in numbers}
    return {
        "geographic_level": level, "region_code": region, "old_la_code": authority, "school_type": phase,
        "breakdown": span, "attendance_date": day, "week_commencing": DAYS[0], "num_schools": f"{mean:g}",
        **{name: str(number) for name, number in numbers.items()}, **shares,
    }  # fmt: skip


def must_not_be_told(rows: Sequence[Row], columns: Sequence[str]) -> set[Cell]:
    """Counts of authorities with one school, and small counts of sensitive codes; 0 is nobody's."""
    return {
        Cell(*(row[name] for name in ("geographic_level", "region_code", "old_la_code", "breakdown", "attendance_date",
                                      "school_type")), column)
        for row in rows
        for column in columns
        if int(row[column]) > 0
        and ((row["geographic_level"] == "Local authority" and row["num_schools"] == "1")
             or int(row[column]) <= SMALL.get(column, 0))
    }  # fmt: skip


def published(rows: Sequence[Row], columns: Sequence[str]) -> set[Cell]:
    """Counts that the file says."""
    return {
        Cell(*(row[name] for name in ("geographic_level", "region_code", "old_la_code", "breakdown", "attendance_date",
                                      "school_type")), column)
        for row in rows
        for column in columns
        if row[column] != "NA"
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(24))
def test_no_withheld_cell_of_an_invented_nation_is_had_by_subtraction(seed: int) -> None:
    rows = file_of(seed)
    secret = must_not_be_told(rows, COLUMNS)
    safe = withhold(rows, DASHBOARD_2025, "safe", CATEGORIES)
    assert not secret & published(safe, COLUMNS)
    assert not secret & recovered(safe, COLUMNS).keys()
    for row in safe:  # a percentage is as good as its count
        shown = [name for name, of in DASHBOARD_2025.percentages.items() if row.get(of) == "NA" and row[name] != "NA"]
        assert shown == []


def test_the_departments_suppression_is_undone_by_subtraction_with_the_right_values() -> None:
    undone = 0
    for seed in range(24):
        rows = file_of(seed)
        said = recovered(withhold(rows, DASHBOARD_2025, "dfe", CATEGORIES), COLUMNS)
        for row in rows:
            for column in COLUMNS:
                cell = Cell(row["geographic_level"], row["region_code"], row["old_la_code"], row["breakdown"],
                            row["attendance_date"], row["school_type"], column)  # fmt: skip
                assert said.get(cell, int(row[column])) == int(row[column])
        undone += len(said)
    assert undone > 1_000


def test_the_reader_with_a_calculator_sees_sums_over_days_phases_and_reasons_and_bounds() -> None:
    row = {"geographic_level": "Local authority", "region_code": "R", "old_la_code": "1", "breakdown": "Daily",
           "school_type": "Primary", "week_commencing": DAYS[0]}  # fmt: skip
    column = "reason_n_no_reason_yet"
    days = [{**row, "attendance_date": day, column: value} for day, value in zip(DAYS, ("NA", "4"), strict=True)]
    week = {**row, "breakdown": "Weekly", "attendance_date": DAYS[0], column: "7"}
    assert list(recovered([*days, week], [column]).values()) == [3]
    phases = [{**days[0], "school_type": phase} for phase in ("Primary", "Special")]
    assert recovered([*phases, {**days[0], "school_type": "Total", column: "9"}], [column]) == {}
    # Two unknowns of which one is nothing, because its own sum is nothing.
    none = {**days[0], "geographic_level": "Regional", "old_la_code": "", "school_type": "Special", column: "0"}
    found = recovered([*phases, {**days[0], "school_type": "Total", column: "9"}, none], [column])
    assert [(cell.phase, value) for cell, value in found.items()] == [("Primary", 9)]


def test_what_need_not_be_withheld_is_published() -> None:
    """No authority with one school and nothing small: the safe file is the whole file."""
    places = (("National", "", ""), ("Regional", "R", ""), ("Local authority", "R", "1"))
    keys = [(*place, "Primary", "Daily", DAYS[0]) for place in places]
    rows = [row_of(key, Counter(dict.fromkeys(MARKS, 100)), Counter(dict.fromkeys(keys, 2))) for key in keys]
    assert withhold(rows, DASHBOARD_2025, "safe", CATEGORIES) == rows
    assert withhold(rows, DASHBOARD_2025, "none", CATEGORIES) == rows


def test_a_small_code_is_hidden_among_those_that_count_as_the_same_on_every_date_of_the_file() -> None:
    """T became unauthorised within the year: of both sums a code is withheld with it, and E keeps its own."""
    places = (("National", "", ""), ("Regional", "R", ""), ("Local authority", "R", "1"), ("Local authority", "R", "2"))
    keys = [(*place, "Primary", "Daily", DAYS[0]) for place in places]
    marks = Counter({**dict.fromkeys(MARKS, 100), "T": 2})
    rows = [row_of(key, marks, Counter(dict.fromkeys(keys, 2))) for key in keys]

    def withheld(**categories: list[str]) -> set[str]:
        safe = withhold(rows, DASHBOARD_2025, "safe", {**CATEGORIES, **categories})
        columns = {BY_CODE[code].dfe_column: code for code in MARKS}
        return {columns[name] for row in safe for name in columns if row[name] == "NA"}

    assert withheld() == {"T", "E", "C"}
    assert withheld(T=["unauthorised_absence"]) == {"T", "O"}
    assert withheld(T=["unauthorised_absence", "authorised_absence"]) == {"T", "O", "C"}
    assert withheld(T=["not_possible"]) == {"T"}
    assert withheld(C=["not_possible"]) == {"T", "E", "I"}
    with pytest.raises(UsageError, match="no other code counts as unauthorised absence on every date"):
        withheld(T=["unauthorised_absence"], O=["not_possible"])


@pytest.mark.skipif(not EDITION.exists(), reason="the Department's whole file is not beside this checkout")
def test_one_school_of_a_published_day_is_had_by_subtraction_and_not_when_safe_fact_10() -> None:
    """10 September 2025: City of London has one primary school, of 353 possible sessions and 344 attended."""
    with EDITION.open(encoding="utf-8-sig", newline="") as text:
        day = [
            row
            for row in csv.DictReader(text)
            if row["breakdown"] == "Daily" and row["attendance_date"] == "10/09/2025"
        ]
    columns = [*(code.dfe_column for code in CODES if code.dfe_column in day[0]), *SUMS]
    undone = recovered(day, columns)

    def of_city(column: str) -> int | None:
        return next((value for cell, value in undone.items() if cell.authority == "201" and cell.phase == "Primary"
                     and cell.column == column), None)  # fmt: skip

    assert (of_city("possible_sessions"), of_city("overall_attendance")) == (353, 344)
    assert {cell.authority for cell in undone} == {
        row["old_la_code"] for row in day if row["possible_sessions"] == "NA"
    }

    whole = [_filled(row, undone, columns) for row in day]
    assert recovered(withhold(whole, DASHBOARD_2025, "dfe", CATEGORIES), columns) == undone
    safe = withhold(whole, DASHBOARD_2025, "safe", CATEGORIES)
    tried = ["possible_sessions", "overall_attendance", "overall_absence", "authorised_absence", *SMALL,
             "reason_c_authorised_other"]  # fmt: skip
    secret = must_not_be_told(whole, tried)
    assert len(secret) > 300
    assert not secret & published(safe, tried)
    assert not secret & recovered(safe, tried).keys()
    # What it costs: these rows, and at authorities the sensitive codes and C.
    withheld = {row["la_name"] for row in safe if row["possible_sessions"] == "NA"}
    assert len(withheld) <= 10
    assert not [row for row in safe if row["geographic_level"] == "National" and "NA" in map(row.get, columns)]


def _filled(row: Any, undone: dict[Cell, int], columns: Sequence[str]) -> Row:
    """A row of the file with what was withheld put back; what is not determined to be more than 0 is 0."""
    place = [row[name] for name in ("geographic_level", "region_code", "old_la_code", "breakdown", "attendance_date",
                                    "school_type")]  # fmt: skip
    back = {column: str(undone.get(Cell(*place, column), 0)) for column in columns if row[column] == "NA"}
    return {**row, **back}
