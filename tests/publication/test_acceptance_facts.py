"""Facts that the Department's statistics and the law are known by, each a test of its own, through what users call.

Facts 1, 2, 5, 6, 7, 8 and 9 are here. Elsewhere: 2 of our own reports in tests/sinks/test_reports.py; 3 in
tests/streams/test_code_maps.py; 4 in test_absence.py and test_persistent_absence.py; 10 in test_suppression.py; 11 in
test_strike.py; 12 in tests/sinks/test_as_at.py; 13 in tests/sinks/test_reports.py; 14 in tests/domain/test_upn.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from rollcall.domain.clock import session_opens
from rollcall.domain.codes import BY_CODE, CODES
from rollcall.domain.layouts import DASHBOARD_2025
from rollcall.domain.published_files import read
from rollcall.domain.report_columns import COLUMNS
from rollcall.domain.totals import is_weighted, weighted
from sinks import publishing
from sinks.absence import Asked, absence_report
from sinks.questions import Asked as AskedOf
from sinks.questions import answer
from sinks.reports import Line, day_report
from streams.agents.evidence import Window, what_it_says
from tests.sinks import rows
from tests.streams.messages import DAY, Here, at, evidence, mark, page, record, register
from tests.streams.rig import Rig

#: One authority's week, and the whole edition where it is.
WEEK = Path(__file__).with_name("telford_and_wrekin_2025_week37.csv")
EDITION = Path(__file__).parents[3] / "shared" / "data" / "dfe_dashboard_2025_week37_full.csv"
#: Rows of an edition whose Totals were weighted.
WEIGHTED = Path(__file__).with_name("ees_daily_2024_week37.csv")
#: Named counts of a row: each is the sum of codes of ours.
SUMS = {
    name: one.codes or [code.code for code in CODES if code.category in one.categories]
    for name, one in COLUMNS.items()
    if one.published and (one.categories or len(one.codes) > 1)
}


def identities_broken(published: list[Mapping[str, str]]) -> list[str]:
    """Every named count of every row that is not withheld, added up from its codes; and possible of the two sums."""
    broken = []
    for row in published:
        if row["possible_sessions"] in ("NA", "c"):
            continue
        found = {name: int(row[name]) for name in SUMS}
        for name, codes in SUMS.items():
            if name == "reason_present":
                made = int(row["reason_present_am"]) + int(row["reason_present_pm"])
            else:
                made = sum(int(row[BY_CODE[code].dfe_column]) for code in codes if BY_CODE[code].dfe_column in row)
            if made != found[name]:
                broken.append(f"{row['la_name']} {row['school_type']} {row['attendance_date']}: {name} {made}")
        if found["possible_sessions"] != found["overall_attendance"] + found["overall_absence"]:
            broken.append(f"{row['la_name']} {row['school_type']} {row['attendance_date']}: possible_sessions")
    return broken


def test_fact_1_every_sum_of_a_published_row_is_that_of_its_codes() -> None:
    """Acceptance fact 1: all identities, on one authority's week. A mark more in one cell is seen."""
    published = read(WEEK)
    assert identities_broken(published) == []
    spoilt = {**published[0], "reason_v_aea_educational_visit_trip": "999999"}
    assert len(identities_broken([spoilt])) == 3  # activity, attendance, possible


@pytest.mark.skipif(not EDITION.exists(), reason="the Department's whole file is not beside this checkout")
def test_fact_1_every_row_of_the_edition_and_the_nation_is_its_regions() -> None:
    """Acceptance fact 1: all identities on 4,480 rows, and National = the sum of Regional on each day, to the mark."""
    published = read(EDITION)
    assert sum(row["possible_sessions"] not in ("NA", "c") for row in published) == 4_480
    assert identities_broken(published) == []
    summed: dict[str, dict[tuple[str, ...], int]] = defaultdict(lambda: defaultdict(int))
    for row in published:
        if row["breakdown"] == "Daily":
            for name in SUMS:
                if row[name] not in ("NA", "c"):
                    summed[row["geographic_level"]][row["attendance_date"], row["school_type"], name] += int(row[name])
    assert len(summed["National"]) == 5 * 4 * len(SUMS)
    assert dict(summed["National"]) == dict(summed["Regional"])


def test_fact_2_the_published_totals_of_september_2024_are_their_phases_weighted_by_enrolments() -> None:
    """Acceptance fact 2, until 2024/25: 9 September 2024 is 95.322117...; pooled it would be 95.2989. So are the 18
    rates of the nation on five days and of nine regions on one."""
    by_place: dict[tuple[str, ...], dict[str, Mapping[str, str]]] = defaultdict(dict)
    for row in read(WEIGHTED, ("school_type",)):
        by_place[row["region_code"], row["la_name"], row["attendance_date"]][row["school_type"]] = row
    totals = {place: phases.pop("Total") for place, phases in by_place.items() if "Total" in phases}
    assert len(totals) == 14
    for place, total in totals.items():
        for rate, of in DASHBOARD_2025.percentages.items():
            phases = [
                (Fraction(100 * int(row[of]), int(row["possible_sessions"])), int(row["total_enrolments"]))
                for row in by_place[place].values()
            ]
            found = weighted(phases)
            assert found is not None
            assert float(found) == pytest.approx(float(total[rate]), rel=1e-13, abs=1e-13), (place, rate)
    nation = totals["", "", "2024-09-09"]
    assert nation["attendance_perc"] == "95.3221174549688"
    assert round(100 * int(nation["overall_attendance"]) / int(nation["possible_sessions"]), 4) == 95.2989
    assert [is_weighted(day) for day in (date(2025, 8, 31), date(2025, 9, 1))] == [True, False]


@pytest.mark.parametrize(
    ("day", "total", "of_an_authority"),
    [(date(2024, 10, 8), "87.5", None), (date(2025, 10, 7), "83.33333333", "83.33333333")],
    ids=["2024/25 weighted", "2025/26 pooled"],
)
def test_fact_2_a_total_is_weighted_until_2024_25_and_pooled_from_2025_26(
    clickhouse: Any, day: date, total: str, of_an_authority: str | None
) -> None:
    """Acceptance fact 2: 1 of 2 sessions of primary pupils, of whom there are 2, and 4 of 4 of secondary ones, of whom
    there are 6, two of them at a school that sent nothing. An authority has a Total from 2025/26 only."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    for urn, phase, pupils in ((100001, "Primary", 2), (100002, "Secondary", 4), (100003, "Secondary", 2)):
        rows.school(clickhouse, urn, phase=phase)
        on_roll = [rows.pupil(urn * 10 + number, first_day=date(2024, 9, 1)) for number in range(pupils)]
        rows.roster(clickhouse, urn, on_roll)
    marks = {100001: "/I", 100002: "////"}
    rows.history(
        clickhouse,
        [
            rows.mark(urn * 10 + number, code, urn=urn, session_date=day, offset=urn * 10 + number)
            for urn, codes in marks.items()
            for number, code in enumerate(codes)
        ],
    )
    made = list(publishing.rows(clickhouse, DASHBOARD_2025, publishing.Asked(day, day, suppression="none")))
    for breakdown in ("Daily", "Weekly", "YTD"):
        found = {
            row["geographic_level"]: row
            for row in made
            if (row["breakdown"], row["school_type"]) == (breakdown, "Total")
        }
        assert {level: row["attendance_perc"] for level, row in found.items()} == {
            "National": total, "Regional": total, **({"Local authority": of_an_authority} if of_an_authority else {}),
        }  # fmt: skip
        nation = found["National"]
        assert (nation["overall_attendance"], nation["possible_sessions"]) == ("5", "6"), "counts are sums"
        assert (nation["total_num_schools"], nation["total_enrolments"]) == ("3", "8")


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """Two primary schools without pupils, and the national codes."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    for urn in (100001, 100002):
        rows.school(clickhouse, urn)
        rows.calendar(clickhouse, urn)
        rows.timetable(clickhouse, urn)
    return clickhouse


def line(client: Any, urn: int, basis: Any = "statutory") -> Line:
    """The day's line of a school."""
    (found,) = (one for one in day_report(client, DAY, "school", basis=basis).lines if one.key == str(urn))
    return found


def test_fact_5_late_inside_the_closing_time_attends_and_outside_it_does_not(working: Rig) -> None:
    """Acceptance fact 5: L before, U from the closing on; both are late sessions; L is attendance, U absence."""
    closes = session_opens(DAY, "09:15")
    windows = {"AM": Window(session_opens(DAY, "08:50"), closes)}
    came = [what_it_says(closes - timedelta(minutes=1), windows), what_it_says(closes, windows)]
    codes = [said.code for said in came if said is not None]
    assert codes == ["L", "U"]
    working.done(register(*(mark(f"P{number}", code) for number, code in enumerate([*codes, "/"]))))
    found = line(working.client, Here.urn)
    assert (found.possible, found.attendance, found.unauthorised, found.late) == (3, 2, 1, 2)
    column = COLUMNS["late_sessions"]
    assert set(column.codes) == {"L", "U"}


def test_fact_6_n_that_becomes_i_moves_within_absence_and_is_kept_with_its_five_items(working: Rig) -> None:
    """Acceptance fact 6: total absence unchanged, unauthorised falls, authorised rises; the original entry, the
    amended one, the reason, the date and who made it (position) are kept; N after five school days is listed."""
    working.done(register(mark("P0", "N"), mark("P1", "N"), mark("P2", "/"), mark("P3", "O")))
    before = line(working.client, Here.urn)

    def listed(today: date) -> list[int]:
        asked = AskedOf(DAY, DAY, today, (Here.urn,))
        return [row["marks"] for row in answer(working.client, "unexplained", asked)]

    # Wednesday's N: Thursday to the next Wednesday are five school days.
    assert (listed(date(2025, 9, 17)), listed(date(2025, 9, 18))) == ([], [2])
    change = {
        "item": 0, "original_code": "N", "reason_code": "parent", "staff_ref": "S1", "staff_position": "office",
        "evidence": "parent_message", "amended_at": at(60),
    }  # fmt: skip
    working.done(register(mark("P0", "I"), complete=False, amendments=[change], submitted_at=at(60)))
    after = line(working.client, Here.urn)
    assert (before.absence, before.authorised, before.unauthorised) == (3, 0, 3)
    assert (after.absence, after.authorised, after.unauthorised) == (3, 1, 2)
    assert (after.possible, after.attendance) == (before.possible, before.attendance)
    assert listed(date(2025, 9, 18)) == [1]
    kept = working.here(
        "SELECT amended_from, canonical_code, amend_reason, amended_at, amended_by, amended_position"
        " FROM marks_history WHERE amended_at IS NOT NULL AND urn ="
    )
    (items,) = kept
    assert (*items[:3], *items[4:]) == ("N", "I", "parent", "S1", "office")
    assert items[3].replace(tzinfo=at().tzinfo) == at(60)


@pytest.fixture
def two_schools(shared: Iterator[Rig]) -> Iterator[tuple[Rig, int, int]]:
    """The file's rig, and two schools that no other test has."""
    own = Here.urn
    rig = next(shared)
    first = Here.urn
    next(shared)
    yield rig, first, Here.urn
    Here.urn = own


def test_fact_7_duplicates_two_routes_late_amendments_deletions_and_replays_change_nothing(
    two_schools: tuple[Rig, int, int],
) -> None:
    """Acceptance fact 7: a school whose messages come once and in order, and one whose messages come twice, late, by
    another way as well, and all once more in the end, stand the same."""
    rig, clean, messy = two_schools
    change = {
        "item": 0, "original_code": "N", "reason_code": "parent", "staff_ref": "S1", "staff_position": "office",
        "evidence": "none", "amended_at": at(60),
    }  # fmt: skip

    def of(urn: int) -> list[dict[str, Any]]:
        return [
            register(mark("P0", "/"), mark("P1", "N"), mark("P2", "/"), urn=urn),
            register(mark("P1", "I"), complete=False, amendments=[change], submitted_at=at(60), urn=urn),
            page(record("a", "P4", "L"), record("b", "P5", "O"), record("c", "P2", "V"), taken_at=at(70), urn=urn),
            page(deletions=["b"], taken_at=at(80), complete=False, urn=urn),
        ]

    for message in of(clean):
        rig.done(message)
    taken, amended, pulled, deleted = of(messy)
    rig.done(amended)  # before the register that it amends
    rig.done(taken)
    rig.done(taken)
    rig.done(evidence("P4", "L", at(20), urn=messy))  # the same arrival at the kiosk, first
    rig.done(pulled, pulled)
    rig.done(deleted)
    for message in (pulled, deleted, taken, amended, pulled):
        rig.done(message)

    def standing(urn: int) -> dict[str, tuple[str, str, str]]:
        return {ref: said for (of_urn, ref, _), said in rig.current().items() if of_urn == urn}

    assert standing(messy) == standing(clean)
    assert {ref: code for ref, (_, _, code) in standing(clean).items()} == {"P0": "/", "P1": "I", "P2": "V", "P4": "L"}
    counts = [{key: n for key, n in rig.counts(urn).items() if n} for urn in (clean, messy)]
    assert counts[0] == counts[1]
    for basis in ("statutory", "live"):
        one, other = (line(rig.client, urn, basis).as_json() for urn in (clean, messy))
        assert {**one, "key": "", "label": ""} == {**other, "key": "", "label": ""}
    found = {one.key: one for one in absence_report(rig.client, Asked(DAY, DAY), "school").lines}
    assert (found[str(clean)].possible, found[str(clean)].absent) == (4, 1)
    assert (found[str(messy)].possible, found[str(messy)].absent) == (4, 1)


def test_fact_8_dual_registered_here_and_attending_there_is_possible_once(db: Any) -> None:
    """Acceptance fact 8: D at one school, attendance at the other. Both possible is the finding of rule 16."""
    for urn in (100001, 100002):
        rows.roster(db, urn, [rows.pupil(1)])
    rows.history(db, [rows.mark(1, "D"), rows.mark(1, "/", urn=100002, offset=2)])
    report = day_report(db, DAY)
    assert (report.total.possible, report.total.attendance) == (1, 1)
    assert report.exceptions == {}
    absence = absence_report(db, Asked(DAY, DAY), "school")
    assert {one.key: one.enrolments for one in absence.lines} == {"100001": 0, "100002": 1}
    rows.history(db, [rows.mark(1, "I", offset=3, batch=2, asserted_at=at(60))])
    assert day_report(db, DAY).exceptions == {"dual_registration": 2}


def test_fact_9_leavers_and_pre_admission_have_no_sessions_outside_their_days(db: Any) -> None:
    """Acceptance fact 9: of a starter, a leaver and one before admission, marked all week whatever the roll says, only
    days on roll are in the period's figures, and no mark is missing on any other. Both days are inclusive (rule 11)."""
    wednesday, thursday, friday = DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)
    week = [DAY - timedelta(days=2), DAY - timedelta(days=1), wednesday, thursday, friday]
    rows.roster(
        db,
        100001,
        [
            rows.pupil(1, first_day=thursday),
            rows.pupil(2, last_day=wednesday),
            rows.pupil(3, status="pre-admission"),
            rows.pupil(4),
            # Left, and came back.
            rows.pupil(5, last_day=week[0]),
            rows.pupil(5, first_day=friday),
        ],
    )
    missing = db.query("SELECT DISTINCT pupil_id, session_date FROM marks_missing ORDER BY ALL").result_rows
    expected = {1: [thursday, friday], 2: week[:3], 4: week, 5: [week[0], friday]}
    found = {pupil: [day for of, day in missing if of == pupil and day in week] for pupil in range(1, 6)}
    assert found == {**expected, 3: []}
    rows.history(
        db,
        [
            rows.mark(pupil, "O", session_date=day, offset=pupil * 10 + number)
            for pupil in range(1, 6)
            for number, day in enumerate(week)
        ],
    )
    report = absence_report(db, Asked(week[0], friday)).total
    assert (report.enrolments, report.possible, report.absent) == (4, 12, 12)
