"""`rollcall report returns`: what rule 25 has an authority told, on an autumn that can be counted by hand.

Loaded once and only read. An authority with two schools and a referral unit, beside another one.
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
from rollcall.domain.codes import CODES
from rollcall.errors import UsageError
from sinks.returns import Asked, Returns, returns, schools_of
from tests.databases import Databases
from tests.sinks import rows

MONDAY = date(2025, 9, 8)
LOW, HIGH, PRU, FAR = 100001, 100002, 100003, 100004
LA = "330"


def school_day(number: int) -> date:
    """The school day of this number, Monday to Friday, from 0."""
    return MONDAY + timedelta(days=number // 5 * 7 + number % 5)


LAST = school_day(74)
_offsets = iter(range(1, 1_000_000))


def days(pupil: int, *codes: tuple[str, int], urn: int = LOW, begins: int = 0, **facts: Any) -> list[dict[str, Any]]:
    """A pupil's days, one after the other: so many of each; a code of the morning and of the afternoon, or of both."""
    said = [code.split(",") for code, number in codes for _ in range(number)]
    return [
        rows.mark(
            pupil, code, urn=urn, session=session, session_date=school_day(begins + number), offset=next(_offsets),
            **facts,
        )
        for number, both in enumerate(said)
        for session, code in zip(("AM", "PM"), (both[0], both[-1]), strict=True)
        if code != "none"
    ]  # fmt: skip


def _marks() -> list[dict[str, Any]]:
    sixth = {"year_group": "12", "in_scope": False}
    return [
        # Ten days on end, over weekends, a closed day and one without a mark. And nine, and one there in the afternoon.
        *days(1, ("O", 4), ("Y4", 1), ("G", 3), ("none", 1), ("N", 2), ("O,none", 1), ("/", 60)),
        *days(2, ("O", 9), ("O,/", 1), ("/", 60)),
        # Fifteen days of illness in all, one of them an afternoon; and fourteen.
        *days(3, ("I", 5), ("/", 20), ("I", 9), ("/,I", 1), ("/", 40)),
        *days(4, ("I", 14), ("/", 60)),
        # Nine late mornings in ten weeks, and one in the eleventh; of the next pupil ten in ten.
        *days(5, ("U,/", 1), ("/", 4), ("U,/", 8), ("/", 37), ("U,/", 1), ("/", 5)),
        *days(6, ("U,/", 1), ("/", 4), ("U,/", 8), ("/", 36), ("U,/", 1), ("/", 5)),
        # Five at one school and five at another; the second pupil's other five are at another authority's.
        *days(7, ("G,/", 5), ("/", 5)),
        *days(7, ("N,/", 5), urn=HIGH, begins=10),
        *days(8, ("G,/", 5), ("/", 5)),
        *days(8, ("N,/", 5), urn=FAR, begins=10),
        # Half exactly; half less a session; a reduced timetable and a suspension.
        *days(9, ("M,/", 10), urn=HIGH),
        *days(10, ("M,/", 9), ("/", 1), urn=HIGH),
        *days(11, ("C2,/", 3), ("E", 2), ("/", 30), urn=HIGH),
        # D beside a mark at another authority's school on one day of two.
        *days(12, ("D", 2), ("/", 10), urn=HIGH),
        *days(12, ("/", 1), urn=FAR),
        # In a referral unit, too; not in a sixth form, and not after the last day on roll.
        *days(13, ("O", 10), urn=PRU, in_scope=False),
        *days(14, ("O", 10), urn=HIGH, **sixth),
        *days(15, ("O", 10), urn=HIGH),
        # The fifteenth day of illness came a month after the others.
        *days(16, ("I", 14), ("/", 30), urn=HIGH),
        *days(16, ("I", 1), urn=HIGH, begins=44, ingested_at=rows.ARRIVED + timedelta(days=28)),
    ]


@pytest.fixture(scope="module")
def db(stack: Any, databases: Databases) -> Iterator[Any]:
    """A client of the file's database."""
    import clickhouse_connect

    with databases.one(failed=lambda: False) as name:
        client = clickhouse_connect.get_client(host=stack.clickhouse_host, port=stack.clickhouse_port, database=name)
        rows.code_map(client, {code.code: code.code for code in CODES})
        rows.school(client, LOW, name="Low Primary")
        rows.school(client, HIGH, phase="Secondary", name="High School")
        rows.school(client, PRU, phase="PRU/AP", name="The Unit")
        rows.school(client, FAR, la_code="331", la_name="Coventry", name="Far Primary")
        rows.roster(client, HIGH, [rows.pupil(15, last_day=school_day(8))])
        rows.history(client, _marks())
        yield client
        client.close()


@pytest.fixture
def run(db: Any, stack_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `rollcall ...` against the file's database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(stack_home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", db.database)
    return lambda *arguments: CliRunner().invoke(build(), list(arguments))


@pytest.fixture(scope="module")
def told(db: Any) -> Returns:
    asked = Asked(LA, MONDAY, LAST)
    return returns(db, asked, schools_of(db, asked))


def of(told: Returns, kind: str) -> dict[int, tuple[Any, ...]]:
    """Pupil -> school, amount, first and last day."""
    return {one.pupil_id: (one.urn, one.amount, one.first_day, one.last_day) for one in told.rows if one.kind == kind}


def test_ten_days_of_unauthorised_absence_on_end_rule_25(told: Returns) -> None:
    """What was not possible or not marked ends no run; an afternoon at school does. Days after leaving are none."""
    assert of(told, "unauthorised-days") == {
        1: (LOW, 10, school_day(0), school_day(11)),
        13: (PRU, 10, school_day(0), school_day(9)),
    }


def test_illness_on_fifteen_school_days_in_all_rule_25(told: Returns) -> None:
    assert of(told, "sickness") == {
        3: (LOW, 15, school_day(0), school_day(34)),
        16: (HIGH, 15, school_day(0), school_day(44)),
    }


def test_ten_unauthorised_sessions_in_ten_rolling_school_weeks_across_schools_rule_25(told: Returns) -> None:
    """The eleventh week is outside, and so are the sessions at another authority's school."""
    found = of(told, "unauthorised-sessions")
    assert set(found) == {1, 2, 6, 7, 13, 15}
    assert found[6] == (LOW, 10, school_day(0), school_day(49))
    assert found[7] == (HIGH, 10, school_day(0), school_day(14))
    # Nine days on roll of the ten that were marked.
    assert found[15][1] == 18


def test_severe_absence_reduced_timetables_and_suspensions_rule_25(told: Returns) -> None:
    assert {pupil: amount for pupil, (_, amount, *_) in of(told, "severe").items()} == {
        7: 5, 9: 10, 13: 20, 15: 18,
    }  # fmt: skip
    assert of(told, "part-time") == {11: (HIGH, 3, school_day(0), school_day(2))}
    assert of(told, "excluded") == {11: (HIGH, 4, school_day(3), school_day(4))}


def test_d_without_a_mark_at_any_other_school_rules_16_and_25(told: Returns) -> None:
    assert of(told, "dual-unmarked") == {12: (HIGH, 2, school_day(1), school_day(1))}


def test_an_authority_is_told_of_its_own_schools_alone(db: Any, told: Returns) -> None:
    assert {one.urn for one in told.rows} == {LOW, HIGH, PRU}
    asked = Asked("331", MONDAY, LAST)
    (theirs,) = returns(db, asked, schools_of(db, asked)).rows
    assert (theirs.kind, theirs.urn, theirs.pupil_id, theirs.amount) == ("severe", FAR, 8, 5)
    with pytest.raises(UsageError, match=f"local authority 331 is not responsible for school {LOW}"):
        schools_of(db, Asked("331", MONDAY, LAST, (LOW,)))
    with pytest.raises(UsageError, match="local authority 999 is not responsible for any school"):
        schools_of(db, Asked("999", MONDAY, LAST))


def test_pupils_are_counted_and_named_by_number_only_where_asked_for(run: Callable[..., Result]) -> None:
    asked = ("report", "returns", "--la", LA, "--from", str(MONDAY), "--to", str(LAST), "--urn", str(LOW))
    counted = json.loads(run(*asked, "--json").stdout)
    assert counted["local_authority"] == LA
    assert counted["returns"] == [
        {"kind": "unauthorised-days", "urn": LOW, "school_name": "Low Primary", "pupils": 1},
        {"kind": "sickness", "urn": LOW, "school_name": "Low Primary", "pupils": 1},
        {"kind": "unauthorised-sessions", "urn": LOW, "school_name": "Low Primary", "pupils": 3},
    ]
    # The other school of a pupil of two counts, whichever is asked about.
    high = json.loads(run(*asked[:-1], str(HIGH), "--json").stdout)["returns"]
    assert {"kind": "unauthorised-sessions", "urn": HIGH, "school_name": "High School", "pupils": 2} in high
    shown = run(*asked)
    assert shown.exit_code == 0, shown.output
    assert "Low Primary" in shown.stdout
    named = json.loads(run(*asked, "--pupils", "--json").stdout)["returns"]
    assert named[1]["pupil_id"] == 3
    assert (named[1]["first_day"], named[1]["amount"]) == (str(school_day(0)), 15)
    listed = run(*asked, "--pupils")
    assert listed.exit_code == 0, listed.output
    assert str(school_day(34)) in listed.stdout


def test_as_at_an_instant_only_what_was_known_then_is_returned(run: Callable[..., Result]) -> None:
    """A day that came late made it fifteen; before anything had come there was nothing to return."""
    asked = ("report", "returns", "--la", LA, "--from", str(MONDAY), "--to", str(LAST), "--pupils", "--json")

    def returned(*at: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run(*asked, *at).stdout)
        return found

    evening, later = (rows.ARRIVED + timedelta(days=days, hours=9) for days in (0, 28))
    as_of = {at: returned("--as-at", f"{at:%Y-%m-%d %H:%M}") for at in (evening, later)}
    now = returned()

    def of_others(found: dict[str, Any], pupils: set[int]) -> list[dict[str, Any]]:
        return [one for one in found["returns"] if one["pupil_id"] not in pupils]

    def ill(found: dict[str, Any]) -> set[int]:
        return {one["pupil_id"] for one in found["returns"] if one["kind"] == "sickness"}

    assert (ill(as_of[evening]), ill(as_of[later])) == ({3}, {3, 16})
    # By what was known of who is on roll, too: that one had left was told today.
    left = {15}
    assert of_others(as_of[later], left) == of_others(now, left)
    sickness = [one for one in of_others(now, left) if one["kind"] == "sickness" and one["pupil_id"] == 16]
    assert [one for one in of_others(now, left) if one not in as_of[evening]["returns"]] == sickness
    assert (as_of[evening]["as_at"], now["as_at"]) == (f"{evening:%Y-%m-%dT%H:%M:%SZ}", None)
    before = returned("--as-at", f"{rows.ARRIVED - timedelta(days=1):%Y-%m-%d %H:%M}")
    assert before["returns"] == []
