"""A strike day (rule 24): what registers say of a school, what a cut's table says of the nation, and 1 February 2023.

What is it: the table that is published on the afternoon of a strike. When does it matter: a school that took no
register must not be called closed, and a percentage must say of what it is. How to resolve: the file of schools beside
the table says what each was, and sinks/sql/strike_schools.sql why.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.estate import strike_nation
from rollcall.cli.app import build
from rollcall.domain.codes import CODES
from rollcall.domain.strike import Declared, read_declared, rule_of
from rollcall.errors import UsageError
from sinks import reference
from sinks.strike import Cut, publish, read_statuses, schools, table
from streams.reference import Loader
from tests.publication.strike_day import Day
from tests.publication.strike_search import smallest
from tests.reference.conftest import TAKEN, applied, school
from tests.sinks import rows as db_rows
from tests.streams.messages import OTHER_URN, URN
from tests.streams.rig import Place, Rig

BEFORE, AFTER = date(2023, 2, 1), date(2025, 9, 10)
PUPILS = 10
TRANSCRIPT = Path(__file__).parents[2] / "docs" / "publishing.md"
NOON = datetime(2025, 9, 10, 11, tzinfo=UTC)


@pytest.fixture
def told(clickhouse: Any) -> Callable[..., str]:
    """`told(day, AM, PM)`: the status of a school of ten pupils that gave these codes, in order of the roll."""
    db_rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    urns = iter(range(100_001, 100_100))

    def status(day: date, am: str = "", pm: str = "", years: str = "7" * PUPILS, **facts: Any) -> str:
        urn = next(urns)
        db_rows.school(clickhouse, urn, **facts)
        first = {"first_day": date(2020, 9, 1)}
        db_rows.roster(
            clickhouse, urn, [db_rows.pupil(urn * 100 + n, year_group=year, **first) for n, year in enumerate(years)]
        )
        marks = [
            db_rows.mark(urn * 100 + n, code, urn=urn, session=session, session_date=day, item=n,
                         year_group=(years or "7" * PUPILS)[n],
                         offset=urn * 2 + (session == "PM"), batch=urn)
            for session, codes in (("AM", am), ("PM", pm))
            for n, code in enumerate(codes.split())
        ]  # fmt: skip
        db_rows.history(clickhouse, marks)
        found = {one.urn: one for one in schools(clickhouse, day, rule_of(day))}
        assert found[urn].has_responded == bool(am or pm)
        return found[urn].status

    return status


def of_ten(**codes: int) -> str:
    """Ten codes, the rest of them present: of_ten(Y=9) is nine Y and a `/`."""
    said = [code for code, number in codes.items() for _ in range(number)]
    return " ".join([*said, *["/"] * (PUPILS - len(said))])


def test_a_school_is_what_its_registers_tell_rule_24(told: Callable[..., str]) -> None:
    closed, planned = of_ten(Y=10), " ".join("#" * PUPILS)
    assert told(BEFORE, of_ten(I=3, N=2)) == "open"
    assert told(BEFORE, of_ten(Y=1)) == "restricted"
    assert told(BEFORE, of_ten(Y=9)) == "restricted"
    assert told(BEFORE, closed) == "closed"
    assert told(BEFORE, planned) == "not expected"
    assert told(BEFORE, "# # # # # Y Y Y Y Y") == "closed"


def test_a_school_that_takes_no_register_is_not_thereby_closed(told: Callable[..., str]) -> None:
    assert told(AFTER) == "unknown"
    assert told(AFTER, "Y4 Y4 Y4 Y4") == "unknown"
    assert told(AFTER, "Y4 Y4 Y4 Y4 Y4") == "closed"
    # Codes that no map knows, and those of pupils who are elsewhere, tell nothing of the school.
    assert told(AFTER, "? ? ? ? ? ? Y4 Y4 Y4 Y4") == "unknown"
    assert told(AFTER, "D D D D D D / / / /") == "unknown"
    assert told(AFTER, " ".join("/" * PUPILS), years="") == "unknown"


def test_from_august_2024_a_closed_site_has_a_code_of_its_own(told: Callable[..., str]) -> None:
    assert told(AFTER, of_ten(Y4=10)) == "closed"
    assert told(AFTER, of_ten(Y3=10)) == "restricted"
    assert told(AFTER, of_ten(Y3=1)) == told(AFTER, of_ten(Y7=1)) == told(AFTER, of_ten(C=1)) == "restricted"
    assert told(AFTER, of_ten(Y1=9)) == told(AFTER, of_ten(Y2=9)) == "open"
    assert told(AFTER, of_ten(Y=10)) == "closed"  # withdrawn, and still sent (rule 4)
    assert [rule_of(day).closed_codes for day in (date(2024, 8, 18), date(2024, 8, 19))] == [("Y",), ("Y", "Y4")]


def test_a_whole_year_group_that_stays_away_restricts_a_large_school(told: Callable[..., str]) -> None:
    years = "1" * 5 + "2" * 95
    everybody = ["/"] * 100
    assert told(AFTER, " ".join(["Y3"] * 5 + everybody[5:]), years=years) == "restricted"
    assert told(AFTER, " ".join(["Y3"] * 4 + everybody[4:]), years=years) == "open"
    assert told(AFTER, " ".join(everybody[:5] + ["Y3"] * 5 + everybody[10:]), years=years) == "open"


def test_a_day_is_open_or_closed_when_all_its_known_sessions_are(told: Callable[..., str]) -> None:
    here, shut, planned = of_ten(), of_ten(Y4=10), " ".join("#" * PUPILS)
    assert told(AFTER, here, here) == "open"
    assert told(AFTER, here, shut) == "restricted"
    assert told(AFTER, shut, shut) == "closed"
    assert told(AFTER, planned, here) == "open"
    assert told(AFTER, planned, planned) == "not expected"
    assert told(AFTER, shut, "/ /") == "closed"


def test_schools_outside_the_headline_or_not_open_as_a_school_are_in_no_row(clickhouse: Any) -> None:
    db_rows.school(clickhouse, 100001)
    db_rows.school(clickhouse, 100002, state_funded=False)
    db_rows.school(clickhouse, 100003, phase="Nursery")
    db_rows.school(clickhouse, 100004, status="closed", closed_on=date(2025, 8, 31))
    db_rows.school(clickhouse, 100005, status="closed", closed_on=date(2025, 12, 31))
    db_rows.school(clickhouse, 100006, status="proposed")
    assert [one.urn for one in schools(clickhouse, AFTER, rule_of(AFTER))] == [100001, 100005]


@pytest.fixture
def five(clickhouse: Any) -> Any:
    """Five schools: open, closed, one told nothing, one not expected, and one with too few marks."""
    db_rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    marks = []
    for urn, codes in {100001: "//", 100002: ["Y4", "Y4"], 100003: [], 100004: "##", 100005: "/"}.items():
        db_rows.school(clickhouse, urn, la_code="330" if urn < 100004 else "331", phase="Primary")
        db_rows.roster(clickhouse, urn, [db_rows.pupil(urn * 10 + n) for n in range(4 if urn == 100005 else 2)])
        marks += [db_rows.mark(urn * 10 + n, code, urn=urn, offset=urn, item=n) for n, code in enumerate(codes)]
    db_rows.history(clickhouse, marks)
    return clickhouse


def nation_of(client: Any, cut: Cut) -> dict[str, str]:
    (total,) = table(schools(client, cut.day, rule_of(cut.day)), cut, by=())
    return total


def test_percentages_say_of_what_they_are_and_schools_not_expected_are_in_none(five: Any) -> None:
    total = nation_of(five, Cut(AFTER, "12:00", NOON))
    counts = [total[name] for name in ("schools", "schools_not_expected", "schools_responded", "schools_known")]
    assert counts == ["4", "1", "3", "2"]
    assert (total["open"], total["restricted"], total["closed"], total["unknown"]) == ("1", "0", "1", "2")
    assert [total[f"open_percent_of_{of}"] for of in ("known", "responded", "all")] == ["50.0", "33.3", "25.0"]
    assert total["response_percent"] == "75.0"
    assert (total["open_change"], total["asked"]) == ("", "0")


def test_what_is_declared_fills_unknown_only_by_the_cut_and_is_counted_apart(five: Any, tmp_path: Path) -> None:
    said = [
        Declared(100001, "closed", "LA-7", "local authority", NOON),  # its register says that it is open
        Declared(100003, "open", "S-1", "school", NOON - timedelta(hours=2)),
        Declared(100003, "closed", "S-1", "school", NOON - timedelta(hours=1)),
        Declared(100005, "open", "S-2", "school", NOON + timedelta(minutes=1)),
        Declared(999999, "open", "S-3", "school", NOON),
    ]
    cut = Cut(AFTER, "12:00", NOON, declared=said)
    total = nation_of(five, cut)
    assert (total["open"], total["closed"], total["unknown"], total["schools_known"]) == ("1", "1", "2", "2")
    assert [total[f"declared_{one}"] for one in ("open", "restricted", "closed")] == ["0", "0", "1"]
    manifest = publish(five, cut, (), tmp_path / "out.csv")
    assert manifest["declared"] == {
        "fill_unknown": 1, "registers_tell": 1, "declared_after_the_cut": 1, "no_such_school": 1,
    }  # fmt: skip


def test_a_file_of_declared_statuses_that_cannot_be_meant_is_refused_by_line(tmp_path: Path) -> None:
    file = tmp_path / "declared.csv"
    head = "urn,status,declared_by,role,at\n"
    file.write_text(head + "100001,closed,LA-7,local authority,2025-09-10T08:30\n", encoding="utf-8")
    (one,) = read_declared(file)
    assert (one.urn, one.status, one.at) == (100001, "closed", datetime(2025, 9, 10, 7, 30, tzinfo=UTC))
    for line, why in (
        ("school,closed,LA-7,school,2025-09-10T08:30", "line 2: school is no URN"),
        ("100001,shut,LA-7,school,2025-09-10T08:30", "line 2: status is open, restricted, closed; not shut"),
        ("100001,closed,LA-7,parent,2025-09-10T08:30", "line 2: role is school, local authority; not parent"),
        ("100001,closed,LA-7,school,2025-09-10", "line 2: '2025-09-10' is no date and time"),
    ):
        file.write_text(head + line + "\n", encoding="utf-8")
        with pytest.raises(UsageError, match=why):
            read_declared(file)
    file.write_text("urn,status\n", encoding="utf-8")
    with pytest.raises(UsageError, match="lacks declared_by, role, at"):
        read_declared(file)


def test_the_smallest_nation_with_all_the_roundings_of_the_day_is_the_one_that_is_sent() -> None:
    found = smallest()
    nation = strike_nation.NATION
    assert {phase: tuple(like)[:3] for phase, like in nation._asdict().items()} == found.known
    assert sum(like.unknown for like in nation) == found.unknown
    assert sum(sum(like) for like in nation) == found.schools


@pytest.fixture
def run(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `rollcall ...` against this test's database."""
    # An instant of the last seconds is waited for; here whoever publishes has waited for the worker before.
    monkeypatch.setattr("sinks.as_at._SETTLES_IN", timedelta(0))
    monkeypatch.setenv("ROLLCALL_HOME", str(rig.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", rig.database)
    return lambda *arguments: CliRunner().invoke(build(), list(arguments))


def test_the_first_of_february_2023_comes_out_of_a_nation_built_to_it_fact_11(
    rig: Rig, run: Callable[..., Result], tmp_path: Path
) -> None:
    """2,705 schools and their registers, through Kafka, the worker and derive, told by `rollcall publish strike`."""
    nation = list(strike_nation.nation())
    day = Day(rig.settings, "strike-2023-02-01", BEFORE, 2)
    # Two schools stand in every such database; here they are none any more.
    closed_down = [school(urn, taken_at=TAKEN + timedelta(days=1), status="closed") for urn in (URN, OTHER_URN)]
    reference.apply(rig.client, [applied("school", one) for one in closed_down], {})
    last = strike_nation.send(rig.settings, code_map=False)
    Loader(rig.settings, rig.client, group=f"{rig.group}-reference").run(once=True)
    silent = [one for one in nation if one.was == "silent"]
    with rig.worker(rig.settings_with(session_timeout_ms=45_000)):
        rig.settle(*(Place(topic, partition, offset) for (topic, partition), offset in last.items()))
        answered = {one.urn for one in nation if one.was != "silent"}
        first = day.cut(0, answered, [one.urn for one in silent])
        one_file = tmp_path / "1200.csv"
        made = run("publish", "strike", "--snapshot", "strike-2023-02-01", "--cut", first, "--out", str(one_file))
        assert made.exit_code == 0, made.output
        assert "open 45.9 %, restricted 44.7 %, closed 9.3 % of 2,001 schools" in made.stdout
        assert made.stdout.strip() in TRANSCRIPT.read_text(encoding="utf-8")
        _is_the_first_of_february(one_file)
        now_file = tmp_path / "now.csv"
        made = run("publish", "strike", "--date", "2023-02-01", "--out", str(now_file))
        assert made.exit_code == 0, made.output
        assert [row["open_percent_of_known"] for row in _read(now_file)] == [
            row["open_percent_of_known"] for row in _read(one_file)
        ]

        # Two hours later: ten silent schools have told that they are closed, and five closed ones that they are not.
        closed = [one for one in nation if one.was == "closed"][:5]
        later = [*((one, "closed") for one in silent[:10]), *((one, "restricted") for one in closed)]
        rig.settle(*rig.send(*(message for one, was in later if (message := strike_nation.register(one, was, 30)))))
        second = day.cut(1, answered | {one.urn for one in silent[:10]}, [one.urn for one in silent[10:]])
        other_file = tmp_path / "1400.csv"
        made = run("publish", "strike", "--snapshot", "strike-2023-02-01", "--cut", second, "--since", str(one_file),
                   "--by", "la", "--by", "phase", "--out", str(other_file))  # fmt: skip
        assert made.exit_code == 0, made.output

        # And the first cut once more, with some of its registers delivered again: as it was.
        rig.settle(*rig.send(*(message for one in nation[:50] if (message := strike_nation.register(one)) is not None)))
        (tmp_path / "again").mkdir()
        again = tmp_path / "again" / one_file.name
        was = run("publish", "strike", "--snapshot", "strike-2023-02-01", "--cut", first, "--out", str(again))
        assert was.exit_code == 0, was.output
    for beside in ("", ".schools.csv"):
        assert again.with_name(f"1200.csv{beside}").read_bytes() == one_file.with_name(f"1200.csv{beside}").read_bytes()
    assert _manifest(again) == _manifest(one_file)
    assert made.stdout.strip() in TRANSCRIPT.read_text(encoding="utf-8")
    total = next(row for row in _read(other_file) if row["school_type"] == "Total")
    changes = {name: total[f"{name}_change"] for name in ("open", "restricted", "closed", "unknown")}
    assert changes == {"open": "0", "restricted": "5", "closed": "5", "unknown": "-10"}
    manifest = json.loads(other_file.with_name("1400.csv.manifest.json").read_text(encoding="utf-8"))
    assert manifest["changes"] == [
        {"from": "closed", "to": "restricted", "schools": 5}, {"from": "unknown", "to": "closed", "schools": 10},
    ]  # fmt: skip
    assert read_statuses(other_file)[silent[0].urn] == "closed"
    assert {row["geographic_level"] for row in _read(other_file)} == {"National", "Local authority"}


def _manifest(file: Path) -> dict[str, Any]:
    """A file's manifest, but for when it was written."""
    said: dict[str, Any] = json.loads(file.with_name(f"{file.name}.manifest.json").read_text(encoding="utf-8"))
    del said["written_at"]
    return said


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _is_the_first_of_february(file: Path) -> None:
    rows = {(row["geographic_level"], row["region_name"], row["school_type"]): row for row in _read(file)}

    def shares(phase: str, of: str) -> list[str]:
        row = rows["National", "", phase]
        return [row[f"{status}_percent_of_{of}"] for status in ("open", "restricted", "closed")]

    assert shares("Total", "known") == ["45.9", "44.7", "9.3"]
    assert shares("Total", "responded") == ["43.9", "42.8", "8.9"]
    assert shares("Primary", "known") == ["52.1", "38.7", "9.1"]
    assert shares("Secondary", "known") == ["17.4", "73.6", "9.0"]
    assert shares("Special", "known") == ["28.8", "57.7", "13.5"]
    total = rows["National", "", "Total"]
    assert (total["response_percent"], total["schools"]) == ("77.3", "2705")
    assert (total["asked"], total["answered"], total["failed"]) == ("2705", "2092", "613")
    assert len(rows) == 10 * 4
    for name in ("schools", "open", "restricted", "closed", "unknown", "asked", "failed"):
        regions = [row for (level, _, phase), row in rows.items() if level == "Regional" and phase == "Total"]
        assert sum(int(row[name]) for row in regions) == int(total[name])
    manifest = json.loads(file.with_name(f"{file.name}.manifest.json").read_text(encoding="utf-8"))
    assert (manifest["rule"]["version"], manifest["rule"]["closed_codes"]) == ("strike-1", ["Y"])
    assert (manifest["waiting"], manifest["provisional"]) == ([], True)
    assert manifest["coverage"]["counts"]["failed"] == 613
    assert manifest["changes"] is None


def test_a_cut_that_nobody_took_or_that_is_open_is_not_published(
    rig: Rig, run: Callable[..., Result], tmp_path: Path
) -> None:
    Day(rig.settings, "strike-open", BEFORE, 2)
    out = str(tmp_path / "out.csv")
    made = run("publish", "strike", "--snapshot", "strike-open", "--out", out)
    assert made.exit_code != 0
    assert "nobody has asked at 12:00" in str(made.exception or made.output)
    made = run("publish", "strike", "--out", out)
    assert "--snapshot or --date is wanted" in str(made.exception or made.output)
    assert not Path(out).exists()
