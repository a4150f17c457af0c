"""`rollcall publish`: rows add up, authorities with one school are withheld, and a comparison sees a single cell."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollcall.domain import places
from rollcall.domain.codes import CODES
from rollcall.domain.layouts import DASHBOARD_2025
from rollcall.domain.places import ONS_CODES, Excluded, excluded_days
from rollcall.domain.published_files import compare, read
from rollcall.errors import UsageError
from sinks.publishing import Asked, publish, rows
from tests.sinks import rows as db_rows

MONDAY, TUESDAY = date(2025, 9, 8), date(2025, 9, 9)
WEEK = Path(__file__).with_name("telford_and_wrekin_2025_week37.csv")
#: URN -> authority, phase; the last alone in its authority and phase.
SCHOOLS = {
    100001: ("894", "Primary"),
    100002: ("894", "Primary"),
    100003: ("894", "Secondary"),
    100004: ("893", "Primary"),
}


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """Four schools of one region with two pupils each; on Tuesday one of them reports nothing. Friday before: a mark of
    the year that the Department leaves out."""
    db_rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    marks = []
    for urn, (la, phase) in SCHOOLS.items():
        place = {"la_code": la, "la_name": f"LA {la}", "region_code": "E12000005", "region_name": "West Midlands"}
        db_rows.school(clickhouse, urn, phase=phase, **place)
        db_rows.roster(clickhouse, urn, [db_rows.pupil(urn * 10 + n) for n in (0, 1)])
        for number, (day, codes) in enumerate({MONDAY: "/I", TUESDAY: "/\\"}.items()):
            if (urn, day) == (100002, TUESDAY):
                continue
            for n, code in enumerate(codes):
                marks.append(
                    db_rows.mark(urn * 10 + n, code, urn=urn, session_date=day, offset=urn * 100 + number * 10 + n)
                )
    early = db_rows.mark(1000010, "I", urn=100001, session_date=date(2025, 9, 5), offset=1)
    db_rows.history(clickhouse, [*marks, early])
    return clickhouse


def of(client: Any, **asked: Any) -> dict[tuple[str, str, str, str], dict[str, str]]:
    """(breakdown, level or authority, phase, date) -> row."""
    made = rows(client, DASHBOARD_2025, Asked(MONDAY, TUESDAY, **asked))
    return {
        (
            one["breakdown"],
            one["old_la_code"] or one["geographic_level"],
            one["school_type"],
            one["attendance_date"][:2],
        ): one
        for one in made
    }


def test_a_region_is_the_sum_of_its_authorities_and_total_of_its_phases(db: Any) -> None:
    found = of(db, suppression="none")
    for level in ("Regional", "National"):
        total = found["Daily", level, "Total", "08"]
        assert (total["num_schools"], total["enrolments"], total["possible_sessions"]) == ("4", "8", "8")
        assert (total["reason_present_am"], total["reason_i_authorised_illness"]) == ("4", "4")
        assert total["attendance_perc"] == "50"
        assert found["Daily", level, "Primary", "08"]["possible_sessions"] == "6"
    assert found["Daily", "894", "Primary", "09"]["num_schools"] == "1"
    assert found["Daily", "894", "Primary", "08"]["new_la_code"] == ONS_CODES["894"] == "E06000020"


def test_a_week_pools_its_days_and_schools_are_a_mean_rule_22(db: Any) -> None:
    week = of(db)["Weekly", "894", "Primary", "08"]
    assert (week["possible_sessions"], week["reason_present"], week["num_schools"]) == ("6", "4", "1.5")
    assert week["overall_absence_perc"] == "33.33333333"
    assert week["enrolments"] == "3"


def test_the_year_to_date_leaves_out_what_the_department_does_and_counts_enrolments_rule_20(db: Any) -> None:
    year = of(db)["YTD", "894", "Primary", "08"]
    assert (year["possible_sessions"], year["ytd_enrolments"], year["pa_flag"]) == ("6", "4", "2")
    assert date(2025, 9, 5) in excluded_days(date(2025, 9, 1), date(2025, 9, 30))


def test_an_authority_with_one_school_is_withheld_and_its_schools_are_told_rule_23(db: Any) -> None:
    found = of(db)
    withheld = found["Daily", "893", "Primary", "08"]
    assert (withheld["num_schools"], withheld["possible_sessions"], withheld["attendance_perc"]) == ("1", "NA", "NA")
    assert (withheld["la_name"], withheld["academic_year"]) == ("LA 893", "202526")
    assert found["Weekly", "894", "Secondary", "08"]["enrolments"] == "NA"
    assert found["Daily", "Regional", "Primary", "08"]["possible_sessions"] == "6"
    assert of(db, suppression="none")["Daily", "893", "Primary", "08"]["possible_sessions"] == "2"


def test_safe_withholds_what_stands_above_where_there_is_nobody_to_hide_among_rule_23(db: Any) -> None:
    """One region: the one secondary school of all is what region and nation say of secondary schools."""
    found = of(db, suppression="safe")
    assert {row["possible_sessions"] for row in found.values()} == {"NA"}
    assert found["Daily", "National", "Secondary", "08"]["num_schools"] == "1"
    assert of(db, las=("894",), suppression="safe")["Daily", "894", "Primary", "08"]["possible_sessions"] == "NA"


def test_of_named_authorities_no_region_is_published(db: Any) -> None:
    assert {level for _, level, _, _ in of(db, las=("894",))} == {"894"}


def test_a_manifest_says_what_the_file_was_made_of(db: Any, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    manifest = publish(db, DASHBOARD_2025, Asked(MONDAY, TUESDAY, ("894",)), file)
    assert json.loads((tmp_path / "out.csv.manifest.json").read_text()) == manifest
    assert (manifest["rows"], manifest["basis"], manifest["suppression"]) == (len(read(file)), "statutory", "dfe")
    with pytest.raises(UsageError, match="cannot be written"):
        publish(db, DASHBOARD_2025, Asked(MONDAY, TUESDAY), tmp_path / "nowhere" / "out.csv")


def changed(tmp_path: Path, column: str, value: str, row: int = 0) -> Path:
    file = tmp_path / "changed.csv"
    with WEEK.open(newline="") as text:
        read_rows = list(csv.DictReader(text))
    read_rows[row][column] = value
    with file.open("w", newline="") as text:
        writer = csv.DictWriter(text, list(read_rows[0]))
        writer.writeheader()
        writer.writerows(read_rows)
    return file


@pytest.mark.parametrize(
    ("column", "value"),
    [("reason_present_am", "12081"), ("attendance_perc", "96.65318523"), ("la_name", "Telford"), ("num_schools", "NA")],
)
def test_a_comparison_names_the_cell_that_differs(tmp_path: Path, column: str, value: str) -> None:
    found = compare(read(WEEK), read(changed(tmp_path, column, value)))
    assert [(one.column, one.ours) for one in found.differences] == [(column, value)]
    assert not found.equal


def test_a_row_that_one_file_lacks_differs_and_rounding_does_not(tmp_path: Path) -> None:
    theirs = read(WEEK)
    assert [one.column for one in compare(theirs, theirs[1:]).differences] == [""]
    assert compare(theirs, read(changed(tmp_path, "attendance_perc", "96.653184233"))).equal
    assert compare(theirs, read(changed(tmp_path, "total_num_schools", "1"))).equal
    as_r_writes = [{**theirs[0], "auth_study_perc": "5.29361288550074e-05"}]
    small = compare(as_r_writes, [{**theirs[0], "auth_study_perc": "0.000052936"}])
    assert small.equal
    assert small.cells == compare(theirs[:1], theirs[:1]).cells
    assert not compare(as_r_writes, [{**theirs[0], "auth_study_perc": "0.000053"}]).equal
    assert not compare(theirs, theirs, las=["999"]).equal  # nothing was compared


def test_cells_of_the_published_week_number_what_they_should() -> None:
    found = compare(read(WEEK), read(WEEK))
    assert (found.rows, found.differences) == (28, [])
    assert found.cells == sum(
        value.replace(".", "", 1).isdecimal()
        for row in read(WEEK)
        for column, value in row.items()
        if column not in ("total_num_schools", "total_enrolments")
    )


def test_a_day_within_a_span_that_is_left_out() -> None:
    strike = datetime(2023, 3, 1, tzinfo=UTC).date()
    assert strike in excluded_days(strike, strike, "E12000005")
    assert strike not in excluded_days(strike, strike, "E12000007")
    assert excluded_days(strike + timedelta(days=30), strike + timedelta(days=40)) == set()


def test_a_day_that_a_region_leaves_out_is_in_no_row_of_the_region_or_its_authorities_rule_21(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strike on Tuesday in the North West alone, where one school is."""
    place = {"la_code": "350", "la_name": "LA 350", "region_code": "E12000002", "region_name": "North West"}
    db_rows.school(db, 100005, phase="Primary", **place)
    db_rows.roster(db, 100005, [db_rows.pupil(1000050)])
    marks = [
        db_rows.mark(1000050, code, urn=100005, session_date=day, offset=9_000 + number, batch=2)
        for number, (day, code) in enumerate({MONDAY: "/", TUESDAY: "I"}.items())
    ]
    db_rows.history(db, marks)
    strike = Excluded(TUESDAY, TUESDAY, "regional", frozenset({"E12000002"}), frozenset(), "Strike")
    monkeypatch.setattr(places, "EXCLUDED", (*places.EXCLUDED, strike))
    found = {(one["breakdown"], one["region_code"], one["old_la_code"], one["attendance_date"][:2]): one
             for one in rows(db, DASHBOARD_2025, Asked(MONDAY, TUESDAY, suppression="none"))
             if one["school_type"] == "Primary"}  # fmt: skip
    assert ("Daily", "E12000002", "", "08") in found
    assert not [key for key in found if key[0] == "Daily" and key[1] == "E12000002" and key[3] == "09"]
    for breakdown in ("Weekly", "YTD"):
        for la in ("", "350"):
            row = found[breakdown, "E12000002", la, "08"]
            assert (row["possible_sessions"], row["overall_attendance"], row["num_schools"]) == ("1", "1", "1")
        assert found[breakdown, "E12000005", "", "08"]["possible_sessions"] == "10"
        # The nation's row keeps the day, with all that was counted on it.
        assert found[breakdown, "", "", "08"]["possible_sessions"] == "12"
    region, nation = found["YTD", "E12000002", "", "08"], found["YTD", "", "", "08"]
    assert (region["ytd_enrolments"], region["pa_flag"]) == ("1", "0")
    assert (nation["ytd_enrolments"], nation["pa_flag"]) == ("7", "4")


def test_a_day_is_left_out_of_an_authority_or_of_a_breakdown_alone_rule_21(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    snow = Excluded(TUESDAY, TUESDAY, "local", frozenset({"894"}), frozenset({"Daily", "YTD"}), "Snow")
    monkeypatch.setattr(places, "EXCLUDED", (*places.EXCLUDED, snow))
    found = of(db, suppression="none")
    assert ("Daily", "894", "Primary", "09") not in found
    assert found["Daily", "Regional", "Primary", "09"]["possible_sessions"] == "4"
    assert found["Weekly", "894", "Primary", "08"]["possible_sessions"] == "6"
    assert found["YTD", "894", "Primary", "08"]["possible_sessions"] == "4"
    assert found["YTD", "Regional", "Primary", "08"]["possible_sessions"] == "10"
    assert found["YTD", "Regional", "Primary", "08"]["ytd_enrolments"] == "6"


def test_the_strikes_of_2023_are_left_out_where_they_were() -> None:
    spring = (date(2023, 2, 1), date(2023, 3, 31))
    nation = {date(2023, 2, 1), date(2023, 3, 15), date(2023, 3, 16)}
    assert excluded_days(*spring) == nation
    assert excluded_days(*spring, region_code="E12000007") == nation | {date(2023, 3, 2)}
    assert excluded_days(*spring, region_code="E12000001", la_code="390") == nation | {date(2023, 2, 28)}
