"""`rollcall report absence`: a term of six schools that can be counted by hand, loaded once and only read.

Acceptance fact 4: 38 absences of 380 possible sessions are persistent absence, 190 of 380 severe; a pupil without a
possible session is no enrolment. Absences are counted among possible sessions, so there cannot be more of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain import places
from rollcall.domain.codes import CODES
from rollcall.domain.layouts import DASHBOARD_2025
from rollcall.domain.places import Excluded
from rollcall.errors import UsageError
from sinks import absence
from sinks.absence import BANDS, AbsenceReport, Asked, Line, absence_report
from sinks.publishing import rows as published
from tests.databases import Databases
from tests.sinks import rows

#: A year's 190 days, one after the other, with two sessions each: 380.
FIRST = date(2024, 9, 9)
DAYS = [FIRST + timedelta(days=number) for number in range(190)]
LAST = DAYS[-1]
SESSIONS = [(day, session) for day in DAYS for session in ("AM", "PM")]
PRIMARY, SECONDARY, PRU, SILENT, MOVES, FAR = 100001, 100002, 100003, 100004, 100005, 100006


def said(urn: int, pupil: int, *codes: tuple[str, int], skip: int = 0, **facts: Any) -> list[dict[str, Any]]:
    """A pupil's marks from a session on: so many of each code."""
    spelled = [code for code, number in codes for _ in range(number)]
    return [
        rows.mark(
            pupil, code, urn=urn, session_date=day, session=session, offset=pupil * 1_000 + skip + number, **facts
        )
        for number, (code, (day, session)) in enumerate(zip(spelled, SESSIONS[skip:], strict=False))
    ]


@pytest.fixture(scope="module")
def db(stack: Any, databases: Databases) -> Iterator[Any]:
    """A client of it. Its schools: one of each kind that must count apart, and one that sent nothing."""
    import clickhouse_connect

    with databases.one(failed=lambda: False) as name:
        client = clickhouse_connect.get_client(
            host=stack.clickhouse_host, port=stack.clickhouse_port, database=name
        )  # fmt: skip
        rows.code_map(client, {code.code: code.code for code in CODES}, known_from=rows.TAKEN)
        coventry = {"la_code": "331", "la_name": "Coventry"}
        far = {"la_code": "390", "la_name": "Gateshead", "region_code": "E12000001", "region_name": "North East"}
        rows.school(client, PRIMARY, known_from=rows.TAKEN, name="Low Primary", trust_id="7", trust_name="A Trust")
        rows.school(client, SECONDARY, phase="Secondary", **coventry)
        rows.school(client, PRU, phase="PRU/AP")
        rows.school(client, SILENT)
        rows.school(client, MOVES, valid_to=DAYS[9])
        rows.school(client, MOVES, valid_from=DAYS[10], **coventry)
        rows.school(client, FAR, **far)
        rows.history(client, _marks())
        yield client
        client.close()


def _marks() -> list[dict[str, Any]]:
    five = {"year_group": "5"}
    return [
        # A tenth exactly; a session less; a half exactly; a session less.
        *said(PRIMARY, 1, ("I", 38), ("/", 342), **five),
        *said(PRIMARY, 2, ("I", 37), ("/", 343), **five),
        *said(PRIMARY, 3, ("O", 190), ("/", 190), **five),
        *said(PRIMARY, 4, ("O", 189), ("/", 191), **five),
        # Nothing possible: no enrolment. 10 of 19: severe, and in no band.
        *said(PRIMARY, 5, ("Y4", 100), ("D", 180), ("#", 100), **five),
        *said(PRIMARY, 6, ("U", 10), ("L", 9), year_group="6"),
        # A child who moved: a tenth at the first school, nothing at the second, whose last day says the year group.
        *said(PRIMARY, 7, ("I", 4), ("/", 36), year_group="6"),
        *said(SECONDARY, 7, ("/", 20), skip=40, year_group="6"),
        *said(SECONDARY, 7, ("/", 20), skip=60, year_group="7"),
        # Out of scope: a sixth-former, and a pupil of a referral unit.
        *said(SECONDARY, 8, ("I", 40), year_group="12", in_scope=False),
        *said(PRU, 9, ("I", 40), year_group="10"),
        # A school that changed its authority: all of the enrolment is the later one's. 2 of 40: exactly 5 per cent.
        *said(MOVES, 10, ("I", 2), ("/", 38), year_group="5"),
        # A code that no map knows is neither; leave dated ahead counts from its session on.
        *said(FAR, 11, ("I", 1), ("/", 19), ("??", 20), year_group="R"),
        *[rows.mark(11, "C", urn=FAR, session_date=date(2100, 1, 4), session=s, offset=11_500) for s in ("AM", "PM")],
    ]


@pytest.fixture
def run(db: Any, stack_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `rollcall ...` against the file's database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(stack_home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", db.database)
    return lambda *arguments: CliRunner().invoke(build(), list(arguments))


def of(client: Any, by: Any = None, **asked: Any) -> AbsenceReport:
    return absence_report(client, Asked(FIRST, LAST, **asked), by)


def counts(line: Line) -> tuple[int, ...]:
    return (line.enrolments, line.persistent, line.severe)


def test_fact_4_a_tenth_is_persistent_a_half_severe_and_nothing_possible_no_enrolment_rules_19_and_20(db: Any) -> None:
    """Of the primary school 1, 3, 4, 6 and 7 are persistent, 3 and 6 severe: 38 of 380 and 190 of 380 exactly."""
    found = {line.key: line for line in of(db, "school").lines}
    assert counts(found[str(PRIMARY)]) == (6, 5, 2)
    assert (found[str(PRIMARY)].possible, found[str(PRIMARY)].absent) == (
        4 * 380 + 19 + 40,
        38 + 37 + 190 + 189 + 10 + 4,
    )
    # Each of them alone, by what stands in its band: a boundary belongs to the band that begins there.
    bands = dict(zip(BANDS, found[str(PRIMARY)].bands, strict=True))
    assert {band: number for band, number in bands.items() if number} == {"5-10": 1, "10-15": 2, "45-50": 1, "50+": 1}
    assert dict(zip(BANDS, found[str(MOVES)].bands, strict=True))["5-10"] == 1


def test_a_mover_is_an_enrolment_at_each_school_and_bands_need_20_possible_sessions_rule_20(db: Any) -> None:
    found = {line.key: line for line in of(db, "school").lines}
    assert counts(found[str(SECONDARY)]) == (1, 0, 0)
    assert found[str(PRIMARY)].banded == 5
    total = of(db).total
    assert counts(total) == (9, 5, 2)
    assert total.banded == 8


def test_lines_add_up_to_the_total_and_say_whose_they_are_rule_12(db: Any) -> None:
    for by in ("trust", "la", "region", "phase", "la-phase", "school", "year-group"):
        report = of(db, by)
        for name in ("enrolments", "possible", "absent", "persistent", "severe", "banded"):
            assert sum(getattr(line, name) for line in report.lines) == getattr(report.total, name), (by, name)
    by_la = {line.key: (line.label, line.enrolments) for line in of(db, "la").lines}
    assert by_la == {"330": ("Birmingham", 6), "331": ("Coventry", 2), "390": ("Gateshead", 1)}
    assert [(line.key, line.label) for line in of(db, "la-phase").lines] == [
        ("330 Primary", "Birmingham, Primary"),
        ("331 Primary", "Coventry, Primary"),
        ("331 Secondary", "Coventry, Secondary"),
        ("390 Primary", "Gateshead, Primary"),
    ]
    assert [(line.key, line.enrolments) for line in of(db, "year-group").lines] == [
        ("R", 1),
        ("5", 5),
        ("6", 2),
        ("7", 1),
    ]
    assert [line.label for line in of(db, "trust").lines] == ["A Trust", "in no trust"]


@pytest.mark.parametrize("by_name", [2_000, 0])
def test_a_school_that_changed_its_authority_is_the_later_ones_whether_or_not_it_is_named(
    db: Any, monkeypatch: pytest.MonkeyPatch, by_name: int
) -> None:
    """... and whether an authority's schools are named in the question or looked for by it."""
    monkeypatch.setattr(absence, "_NAMED", by_name)
    named = of(db, "school", las=("331",))
    assert [(line.key, line.possible) for line in named.lines] == [(str(SECONDARY), 40), (str(MOVES), 40)]
    assert str(MOVES) not in {line.key for line in of(db, "school", las=("330",)).lines}
    both = of(db, "school", las=("331",), urns=(MOVES, SILENT))
    assert [(line.key, line.possible) for line in both.lines] == [(str(MOVES), 40)]
    assert of(db, "school", las=("331",), urns=(SILENT,)).lines == of(db, "school", las=("999",)).lines == ()


def test_a_school_that_sent_nothing_is_known_and_counts_for_nothing(db: Any) -> None:
    (silent,) = [line for line in of(db, "school").lines if line.key == str(SILENT)]
    assert (silent.schools, silent.schools_known, silent.enrolments) == (0, 1, 0)
    assert silent.as_json()["persistent_rate"] is None
    total = of(db).total
    assert (total.schools, total.schools_known) == (4, 5)


def test_the_headline_is_rule_14s_and_all_counts_everybody(db: Any) -> None:
    everybody = of(db, "school", headline=False)
    found = {line.key: counts(line) for line in everybody.lines}
    assert (found[str(SECONDARY)], found[str(PRU)]) == ((2, 1, 1), (1, 1, 1))
    assert counts(everybody.total) == (11, 7, 4)
    assert counts(of(db, urns=(PRIMARY, SECONDARY)).total) == (7, 5, 2)


def test_an_unknown_code_is_neither_and_what_is_dated_ahead_waits_rules_1_and_2(db: Any) -> None:
    report = absence_report(db, Asked(FIRST, date(2101, 1, 1), ("390",)))
    assert (report.total.possible, report.total.absent) == (20, 1)


def test_what_is_published_of_the_year_is_what_the_report_says(db: Any) -> None:
    from sinks.publishing import Asked as Published

    report = absence_report(db, Asked(date(2024, 9, 1), LAST), "la-phase")
    reported = {line.key: (str(line.enrolments), str(line.persistent)) for line in report.lines}
    written = {
        f"{row['old_la_code']} {row['school_type']}": (row["ytd_enrolments"], row["pa_flag"])
        for row in published(db, DASHBOARD_2025, Published(LAST, LAST, suppression="none"))
        if row["breakdown"] == "YTD" and row["geographic_level"] == "Local authority" and row["school_type"] != "Total"
    }
    assert reported == written
    assert ("6", "5") in written.values()


def test_days_that_the_department_leaves_out_are_left_out_where_they_are_rule_21(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All absences of the region's one pupil, a single one, are on its first day; so is one of each in the Midlands."""
    strike = Excluded(FIRST, FIRST, "regional", frozenset({"E12000001"}), frozenset(), "Strike")
    snow = Excluded(DAYS[1], DAYS[1], "national", frozenset(), frozenset({"YTD"}), "Snow")
    monkeypatch.setattr(places, "EXCLUDED", (strike, snow))
    report = of(db, "la")
    found = {line.key: (line.possible, line.absent) for line in report.lines}
    assert found["390"] == (20 - 4, 0)
    assert found["331"] == (40 + 38, 2)
    assert (report.left_out, report.left_out_there) == ((DAYS[1],), (("E12000001", FIRST),))


def test_the_command_prints_a_table_bands_or_a_document(db: Any, run: Callable[..., Result]) -> None:
    asked = ("report", "absence", "--from", str(FIRST), "--to", str(LAST), "--la", "330")
    shown = run(*asked, "--by", "school")
    assert shown.exit_code == 0, shown.output
    assert f"Low Primary ({PRIMARY})" in shown.stdout
    # 5 of 6 and 2 of 6 enrolments; a school of two has sent something.
    assert "83.33" in shown.stdout
    assert "33.33" in shown.stdout
    assert "1 of 2" in shown.stdout
    banded = run(*asked, "--bands")
    assert "50+" in banded.stdout
    assert "20.00" in banded.stdout
    document = json.loads(run(*asked, "--by", "phase", "--json").stdout)
    assert (document["basis"], document["scope"], document["by"]) == ("statutory", "headline", "phase")
    assert document["total"]["persistent_rate"] == 83.33
    assert document["total"]["bands"]["10-15"] == 2
    assert document["code_map_version"] == 1
    assert "pupil_id" not in json.dumps(document)


def test_as_at_an_instant_before_anything_came_nothing_is_known_rule_9(db: Any, run: Callable[..., Result]) -> None:
    asked = ("report", "absence", "--from", str(FIRST), "--to", str(DAYS[3]), "--urn", str(PRIMARY), "--json")
    before = json.loads(run(*asked, "--as-at", "2026-02-02 08:00").stdout)
    assert (before["as_at"], before["total"]["schools_known"]) == ("2026-02-02T08:00:00Z", 1)
    assert before["total"]["enrolments"] == 0
    after = json.loads(run(*asked, "--as-at", "2026-02-02 10:00").stdout)
    assert after["total"] == json.loads(run(*asked).stdout)["total"]
    assert after["total"]["enrolments"] > 0


def test_a_grouping_or_a_period_that_there_is_none_of_is_refused(db: Any, run: Callable[..., Result]) -> None:
    with pytest.raises(UsageError, match=r"absence is by trust, la, .*; not by moon"):
        of(db, "moon")
    wrong = run("report", "absence", "--from", str(LAST), "--to", str(FIRST))
    assert str(wrong.exception) == f"--to {FIRST} is before --from {LAST}"
