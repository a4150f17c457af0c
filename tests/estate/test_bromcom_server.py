"""The Bromcom-shaped server of the estate over HTTP: entities, filters, pages, weeks of ten marks, no deletions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from connectors.estate.bromcom_server import BromcomServer
from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.schools import School
from tests.estate.conftest import DAY

EVER = "calendarStartDate>='1900-01-01T00:00:00'"
OF_THE_DAY = f"calendarStartDate>='{DAY}T00:00:00' and calendarStartDate<='{DAY}T23:59:59'"


@pytest.fixture
def quiet() -> Estate:
    """Three schools, all pulled, on a day on which much is gone; the server has no trouble and repeats no row."""
    dirt = replace(Dirt.default(), server_errors=0.0, page_repeats=0.0, deletion=0.05, twice_equal=0.02)
    return Estate.make(3, 3, 1_500, [DAY], dirt, ahead_of=date(2025, 10, 1), feeds="bromcom")


@pytest.fixture
def server(quiet: Estate) -> Iterator[BromcomServer]:
    with quiet.serve() as running:
        made = running["bromcom"]
        assert isinstance(made, BromcomServer)
        yield made


@pytest.fixture
def school(quiet: Estate) -> School:
    """The largest school: its marks fill several pages."""
    return max(quiet.schools, key=lambda one: one.pupils)


def _get(server: BromcomServer, entity: str, school: str, asked: str, secret: str = "estate-token") -> httpx.Response:
    return httpx.get(
        f"{server.base_url}/v2/{entity}",
        params={"schoolId": school, "entityFilter": asked},
        headers={"ApplicationId": "estate", "ApplicationSecret": secret},
    )


def _all(server: BromcomServer, school: School, entity: str, asked: str) -> list[list[dict[str, Any]]]:
    """Every page, to the first that is empty."""
    pages = []
    for number in count():
        answer = _get(server, entity, school.source_id, f"{asked}{{page:{number}}}")
        assert answer.json()["success"]
        if not answer.json()["data"]:
            return pages
        pages.append(answer.json()["data"])
    raise AssertionError


def _rows(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for page in pages for row in page]


def _code(row: dict[str, Any]) -> str:
    return f"{row['mark']}{row['markSubcode'] or ''}"


def test_every_mark_is_shown_by_its_place_with_codes_of_one_and_two_characters(
    server: BromcomServer, quiet: Estate, school: School
) -> None:
    quiet.advance(0)
    pages = _all(server, school, "Attendances", EVER)
    alive = [one for one in quiet.records[school.urn].values() if one.deleted_at is None]
    assert len(pages) > 1
    assert len(_rows(pages)) == len(alive) + sum(one.twice for one in alive)
    assert {len(_code(row)) for row in _rows(pages)} >= {1, 2}
    shown = {
        f"{row['studentID']}:{row['calendarStartDate'][:10]}:{row['calendarName'].strip()}": _code(row)
        for row in _rows(pages)
    }
    assert shown == {one.record_id: one.code for one in alive}


def test_a_week_holds_the_same_marks_ten_in_a_row(server: BromcomServer, quiet: Estate, school: School) -> None:
    for tick in quiet.ticks:
        quiet.advance(tick)
    monday = DAY - timedelta(days=DAY.weekday())
    rows = _rows(
        _all(
            server,
            school,
            "StudentAttendanceByWeek",
            f"startDate<='{monday}T12:00:00' and endDate>='{monday}T12:00:00'",
        )
    )
    held = [one for one in quiet.records[school.urn].values() if one.session_date == DAY and one.deleted_at is None]
    day = ("mon", "tue", "wed", "thu", "fri")[DAY.weekday()]
    shown = {f"{row['studentId']}:{DAY}:{half}": row[f"{day}{half}"] for row in rows for half in ("AM", "PM")}
    assert {place: code for place, code in shown.items() if code} == {one.record_id: one.code for one in held}
    assert all(sum(name.endswith(("AM", "PM")) for name in row) == 10 for row in rows)


def test_only_what_was_recorded_since_is_given_and_nothing_tells_of_what_is_gone(
    server: BromcomServer, quiet: Estate, school: School
) -> None:
    quiet.advance(0)
    _all(server, school, "Attendances", EVER)
    for record in quiet.records[school.urn].values():
        assert record.updated_at is not None
        record.updated_at -= timedelta(hours=3)
    quiet.advance(1)
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
    rows = _rows(_all(server, school, "Attendances", f"recordedOn>='{since}'"))
    held = quiet.records[school.urn]
    changed = {one.record_id for one in quiet.script.changes[1] if one.urn == school.urn}
    gone = {one for one in changed if held[one].deleted_at is not None}
    assert len(rows) == len(changed - gone) > 0
    assert gone
    assert not any(held[one].served and held[one].served[-1] is None for one in gone)
    _all(server, school, "Attendances", OF_THE_DAY)
    assert all(held[one].served[-1] is None for one in gone if held[one].served)


def test_pupils_carry_what_a_roster_needs(server: BromcomServer, quiet: Estate, school: School) -> None:
    asked = "enrolmentStartDate<='2026-08-31' and (enrolmentEndDate>='2025-09-01' or isnull(enrolmentEndDate,'')='')"
    rows = _rows(_all(server, school, "StudentFlatView", asked))
    assert {str(row["studentId"]) for row in rows} == {school.pupil_id(row) for row in quiet.pupils.of(school)}
    assert _all(server, school, "StudentFlatView", "studentId=0") == []


def test_whoever_is_not_let_in_or_asks_nonsense_is_told(server: BromcomServer, school: School) -> None:
    asked = f"{EVER}{{page:0}}"
    assert _get(server, "Attendances", school.source_id, asked, secret="wrong").status_code == 401
    assert _get(server, "Attendances", "1", asked).status_code == 404
    assert _get(server, "Secrets", school.source_id, asked).status_code == 404
    assert _get(server, "Attendances", school.source_id, EVER).status_code == 400
    assert _get(server, "Attendances", school.source_id, "mark like '/'{page:0}").status_code == 400
    server.forbidden.add(school.source_id)
    assert _get(server, "Attendances", school.source_id, asked).status_code == 403
