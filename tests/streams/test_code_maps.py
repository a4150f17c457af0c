"""Code maps through the worker, the loader and derive: the traps of real codes, a dry run, a publication, a rollback.

Acceptance fact 3: the mapping is keyed on code and session date. J before and after 19 August 2024, stray H, F and Y, X
in autumn 2022 and now, codes of two characters, local codes to statutory ones, and codes that nobody knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.code_maps import written
from rollcall.cli.app import build
from rollcall.domain.clock import now, to_the_millisecond
from rollcall.domain.codes import MapEntry, national_map_entries
from sinks import reference
from sinks.derive import rederive
from sinks.verify import verify
from tests.reference.conftest import TAKEN, applied, calendar, code_map
from tests.streams.agents_at_work import await_that
from tests.streams.loading import loader
from tests.streams.messages import DAY, OTHER_URN, Here, at, mark, register
from tests.streams.rig import Rig

#: Registers of term time before the 2024 regulations, and of the autumn in which X meant COVID at some schools.
BEFORE_2024, AUTUMN_2022 = date(2024, 7, 10), date(2022, 9, 21)
NATIONAL = national_map_entries()
OUT_OF_DATE = frozenset({"code_out_of_date"})


@pytest.fixture
def years(working: Rig) -> Rig:
    """A school with calendars of 2022/23 and 2023/24 too."""
    taken = [TAKEN + timedelta(minutes=Here.urn % 1_000), TAKEN + timedelta(minutes=Here.urn % 1_000 + 1)]
    for year, taken_at in zip((2022, 2023), taken, strict=True):
        reference.apply(working.client, [applied("calendar", calendar(Here.urn, taken_at=taken_at, year=year))])
    return working


@pytest.fixture
def run(working: Rig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `rollcall ...` against the file's database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(working.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", working.database)
    return lambda *arguments: CliRunner().invoke(build(), list(arguments))


def in_force(rig: Rig, scheme: str, *entries: MapEntry) -> None:
    """Publish a map and bring it in force, as the loader does; workers look once a second, and know it afterwards."""
    published = code_map(scheme, 1, published_at=to_the_millisecond(now()))
    published["entries"] = [entry._asdict() for entry in entries]
    reference.apply(rig.client, [applied("code-map", published)])
    rederive(rig.client, [scheme])
    time.sleep(2.0)


def counted(rig: Rig, day: date = DAY) -> dict[str, tuple[str, str]]:
    """Raw code -> (canonical code, category) of the test's own school on a date."""
    rows = rig.here(
        f"SELECT raw_code, canonical_code, category FROM marks_current WHERE session_date = '{day}' AND urn ="
    )
    return {raw: (canonical, category) for raw, canonical, category in rows}


def findings(rig: Rig, message: dict[str, Any]) -> dict[str, frozenset[str]]:
    """Raw code -> findings that are about codes, of the marks of a message; all accepted."""
    ((*fates,),) = rig.done(message)
    assert {fate.outcome for fate in fates} == {"accepted"}
    about = {"unmapped_code", "code_out_of_date"}
    return {one["code"]: fate.exceptions & about for one, fate in zip(message["marks"], fates, strict=True)}


def of_codes(*codes: str, **facts: Any) -> dict[str, Any]:
    """A register with a mark of each code."""
    return register(*(mark(f"P{number}", code) for number, code in enumerate(codes)), **facts)


def test_fact_3_an_interview_is_activity_before_19_august_2024_and_unknown_after_until_a_map_says(years: Rig) -> None:
    assert findings(years, of_codes("J", session_date=BEFORE_2024)) == {"J": frozenset()}
    assert findings(years, of_codes("J", "J1")) == {"J": {"unmapped_code"}, "J1": frozenset()}
    assert counted(years, BEFORE_2024) == {"J": ("J", "approved_educational_activity")}
    assert counted(years) == {"J": ("", "unknown"), "J1": ("J1", "authorised_absence")}
    in_force(years, "national", *NATIONAL, MapEntry("J", "J1", date(2024, 8, 19)))
    assert counted(years, BEFORE_2024) == {"J": ("J", "approved_educational_activity")}, "the past keeps its meaning"
    assert counted(years) == {"J": ("J1", "authorised_absence"), "J1": ("J1", "authorised_absence")}
    in_force(years, "national", *NATIONAL)
    assert counted(years)["J"] == ("", "unknown")


def test_fact_3_stray_h_f_and_y_keep_their_category_and_are_found_rule_4(years: Rig) -> None:
    codes = ("H", "F", "Y")
    assert findings(years, of_codes(*codes, session_date=BEFORE_2024)) == dict.fromkeys(codes, frozenset())
    assert findings(years, of_codes(*codes)) == dict.fromkeys(codes, OUT_OF_DATE)
    expected = {"H": "authorised_absence", "F": "authorised_absence", "Y": "not_possible"}
    for day in (BEFORE_2024, DAY):
        assert counted(years, day) == {code: (code, category) for code, category in expected.items()}
    listed = years.here(
        f"SELECT raw_code FROM marks_current WHERE has(exceptions, 'code_out_of_date') AND session_date = '{DAY}'"
        " AND urn ="
    )
    assert {raw for (raw,) in listed} == set(codes)


def test_fact_3_codes_of_two_characters_are_themselves_and_not_their_first_character(years: Rig) -> None:
    """Y1 to Y7 are no absence, C1 and C2 are; J1 is an absence where J was an activity. Before 2024 they are found."""
    codes = ("C", "C1", "C2", "J1", "Y1", "Y2", "Y3", "Y4", "Y5", "Y6", "Y7", "Q", "K")
    assert set(findings(years, of_codes(*codes)).values()) == {frozenset()}
    of = dict.fromkeys(("C", "C1", "C2", "J1"), "authorised_absence")
    of |= dict.fromkeys((*(f"Y{number}" for number in range(1, 8)), "Q"), "not_possible")
    of["K"] = "approved_educational_activity"
    assert counted(years) == {code: (code, category) for code, category in of.items()}
    early = findings(years, of_codes("C", "C1", "Y3", "K", session_date=BEFORE_2024))
    assert early == {"C": frozenset(), **dict.fromkeys(("C1", "Y3", "K"), OUT_OF_DATE)}


def test_fact_3_x_is_not_possible_unless_a_map_says_for_some_dates_what_it_was(years: Rig) -> None:
    """In its files of 12 September to 14 October 2022 the Department counted X among authorised absence."""
    for day in (AUTUMN_2022, BEFORE_2024, DAY):
        years.done(of_codes("X", session_date=day))
        assert counted(years, day) == {"X": ("X", "not_possible")}
    first, last, day = date(2022, 9, 12), date(2022, 10, 14), timedelta(days=1)
    others = [entry for entry in NATIONAL if entry.raw_code != "X"]
    dated = (MapEntry("X", "X", None, first - day), MapEntry("X", "C", first, last), MapEntry("X", "X", last + day))
    in_force(years, "national", *others, *dated)
    assert counted(years, AUTUMN_2022) == {"X": ("C", "authorised_absence")}
    assert counted(years, DAY) == counted(years, BEFORE_2024) == {"X": ("X", "not_possible")}
    in_force(years, "national", *NATIONAL)
    assert counted(years, AUTUMN_2022) == {"X": ("X", "not_possible")}


def test_fact_3_display_codes_of_a_school_mean_what_its_own_map_says_and_no_other_school_s(years: Rig) -> None:
    """SIMS shows 9 where the statutory code is Y: exceptional circumstances until 2024, public health (Y6) since."""
    scheme = f"sims:{Here.urn}"
    in_force(
        years, scheme, *NATIONAL, MapEntry("9", "Y", None, date(2024, 8, 18)), MapEntry("9", "Y6", date(2024, 8, 19))
    )  # fmt: skip
    local = {"code_scheme": scheme}
    assert findings(years, of_codes("9", "/", session_date=BEFORE_2024, **local)) == dict.fromkeys("9/", frozenset())
    assert findings(years, of_codes("9", "/", **local)) == dict.fromkeys("9/", frozenset())
    assert counted(years, BEFORE_2024)["9"] == ("Y", "not_possible")
    assert counted(years)["9"] == ("Y6", "not_possible")
    ((elsewhere,),) = years.done(register(mark("P0", "9"), urn=OTHER_URN))
    assert "unmapped_code" in elsewhere.exceptions


def test_fact_3_a_code_that_nobody_knows_is_unknown_until_a_map_is_published_and_nothing_else_is_done_rule_2(
    working: Rig, run: Callable[..., Result], tmp_path: Path
) -> None:
    scheme = f"dialect:{Here.urn}"
    assert findings(working, of_codes("xx", "/", code_scheme=scheme))["xx"] == {"unmapped_code"}
    assert counted(working) == {"xx": ("", "unknown"), "/": ("", "unknown")}
    file = tmp_path / "map.csv"
    file.write_text(written([MapEntry("xx", "O"), MapEntry("/", "/")]), encoding="utf-8")
    with loader(working):
        told = run("codes", "publish", str(file), "--scheme", scheme, "--author", "data manager", "--reason", "dialect")
        assert told.exit_code == 0, told.output
        await_that(lambda: counted(working) == {"xx": ("O", "unauthorised_absence"), "/": ("/", "attending")})
    on_arrival = working.here("SELECT DISTINCT canonical_code FROM marks_history WHERE urn =")
    assert on_arrival == [("",)], "the history is what was known on arrival"


def test_two_maps_at_once_are_both_followed(working: Rig) -> None:
    """The last of them need not be the one that changed a mark's code: each code follows its own change."""
    scheme = f"two:{Here.urn}"
    working.done(of_codes("8", "9", code_scheme=scheme))
    first = code_map(scheme, 1, ("9", "L"), published_at=at(1))
    second = code_map(scheme, 1, ("9", "L"), ("8", "I"), published_at=at(2))
    reference.apply(working.client, [applied("code-map", first), applied("code-map", second)])
    assert rederive(working.client, [scheme]) == 1
    assert counted(working) == {"8": ("I", "authorised_absence"), "9": ("L", "attending")}
    assert rederive(working.client, [scheme]) == 0
    assert verify(working.client).equal


def test_a_map_derives_no_mark_again_whose_code_it_does_not_change(working: Rig) -> None:
    scheme = f"few:{Here.urn}"
    in_force(working, scheme, MapEntry("8", "I"))
    working.done(of_codes("8", "9", code_scheme=scheme))
    where = "SELECT raw_code, bitShiftRight(derived_version, 64) FROM mark_current FINAL WHERE urn ="
    before = dict(working.here(where))
    in_force(working, scheme, MapEntry("8", "I"), MapEntry("9", "L"))
    after = dict(working.here(where))
    assert after["8"] == before["8"]
    assert after["9"] > before["9"]
