"""The Wonde-shaped server over HTTP: pages, cursors, what changed since, deletions, tokens, trouble on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.messages import UNKNOWN, PulledRecord
from connectors.estate.pupils import LEAVER
from connectors.estate.schools import School
from connectors.estate.wonde_server import WondeServer
from rollcall.domain.clock import LONDON
from tests.estate.conftest import DAY


@pytest.fixture
def quiet() -> Estate:
    """Eight schools, half of them pulled through Wonde, by a server that never has trouble nor repeats a record."""
    dirt = replace(Dirt.default(), server_errors=0.0, page_repeats=0.0)
    return Estate.make(3, 8, 1_600, [DAY], dirt, ahead_of=date(2025, 10, 1), makes=["wonde"])


@pytest.fixture
def server(quiet: Estate) -> Iterator[WondeServer]:
    with quiet.serve() as running:
        yield running.wonde


@pytest.fixture
def school(quiet: Estate) -> School:
    """A pulled school with lessons where there is one."""
    return max((one for one in quiet.schools if one.pulled), key=lambda one: (one.lessons, one.pupils))


def _get(server: WondeServer, path: str, token: str = "estate-token", **query: Any) -> httpx.Response:
    return httpx.get(f"{server.base_url}/{path}", params=query, headers={"Authorization": f"Bearer {token}"})


def _all(server: WondeServer, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Every page of a resource, by following `next`."""
    pages = []
    with httpx.Client(headers={"Authorization": "Bearer estate-token"}) as http:
        url: str | None = str(httpx.URL(f"{server.base_url}/{path}", params=query))
        while url is not None:
            answer = http.get(url)
            assert answer.status_code == 200
            pages.append(answer.json()["data"])
            paging = answer.json()["meta"]["pagination"]
            assert paging["more"] == (paging["next"] is not None)
            url = paging["next"]
    return pages


def _records(estate: Estate, school: School) -> list[PulledRecord]:
    alive = [one for one in estate.records[school.urn].values() if one.deleted_at is None]
    return sorted((one for one in alive if one.period is None), key=lambda one: one.sequence)


def test_pages_hold_every_record_once_and_in_order(server: WondeServer, quiet: Estate, school: School) -> None:
    quiet.advance(0)
    pages = _all(server, f"schools/{school.source_id}/attendance/session/", per_page=70)
    assert {len(page) for page in pages[:-1]} == {70}
    assert [one["id"] for page in pages for one in page] == [one.record_id for one in _records(quiet, school)]


def test_a_page_may_begin_with_the_last_record_of_the_page_before(
    server: WondeServer, quiet: Estate, school: School
) -> None:
    quiet.dirt = replace(quiet.dirt, page_repeats=1.0)
    quiet.advance(0)
    pages = _all(server, f"schools/{school.source_id}/attendance/session", per_page=70)
    assert all(page[0]["id"] == before[-1]["id"] for before, page in pairwise(pages))
    assert {one["id"] for page in pages for one in page} == {one.record_id for one in _records(quiet, school)}


def test_a_deletion_between_two_pages_skips_nothing(server: WondeServer, quiet: Estate, school: School) -> None:
    quiet.advance(0)
    first = _get(server, f"schools/{school.source_id}/attendance/session", per_page=50).json()
    for record in _records(quiet, school)[:10]:
        record.deleted_at = datetime.now(UTC)
    second = httpx.get(first["meta"]["pagination"]["next"], headers={"Authorization": "Bearer estate-token"}).json()
    assert second["data"][0]["id"] == _records(quiet, school)[40].record_id


def test_only_what_changed_is_given_after_an_instant(server: WondeServer, quiet: Estate, school: School) -> None:
    quiet.advance(0)
    between = datetime.now(UTC) + timedelta(milliseconds=1)
    for record in quiet.records[school.urn].values():
        assert record.updated_at is not None
        record.updated_at -= timedelta(minutes=5)
    quiet.advance(1)
    after = f"{between - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    pages = _all(server, f"schools/{school.source_id}/attendance/session", updated_after=after)
    changed = {change.record_id for change in quiet.script.changes[1] if change.urn == school.urn}
    alive = {one.record_id for one in _records(quiet, school)}
    assert {one["id"] for page in pages for one in page} == changed & alive


def test_a_window_of_session_dates_is_given_whole(server: WondeServer, quiet: Estate, school: School) -> None:
    for tick in quiet.ticks:
        quiet.advance(tick)
    path = f"schools/{school.source_id}/attendance/session"
    day = quiet.dates[0].isoformat()
    inside = _all(server, path, date_from=day, date_to=day, per_page=1000)
    assert {one["date"]["date"][:10] for page in inside for one in page} == {day}
    assert _all(server, path, date_from="2020-01-01", date_to="2020-01-31") == [[]]


def test_a_date_is_midnight_in_london_that_day_in_summer_and_in_winter(quiet: Estate, school: School) -> None:
    """Rule 8: 10 September (BST) and 3 November (GMT) say their own day."""
    with quiet.serve() as servers:
        for day in (date(2025, 9, 10), date(2025, 11, 3)):
            record = PulledRecord("A1", 0, "A2", day, "AM", "/")
            shown = servers.wonde.shape.record(school.urn, record)["date"]
            assert shown["timezone"] == "Europe/London"
            local = datetime.fromisoformat(shown["date"]).replace(tzinfo=LONDON)
            assert (local.date(), local.hour) == (day, 0)


def test_deletions_are_listed_and_their_records_are_not(server: WondeServer, quiet: Estate) -> None:
    for tick in quiet.ticks:
        quiet.advance(tick)
    gone = {urn: [one for one in held.values() if one.deleted_at] for urn, held in quiet.records.items()}
    urn, records = max(gone.items(), key=lambda item: len(item[1]))
    if not records:
        record = next(iter(quiet.records[urn].values()))
        record.deleted_at = datetime.now(UTC)
        records = [record]
    path = f"schools/{quiet.by_urn[urn].source_id}"
    listed = {one["id"]: one["type"] for page in _all(server, f"{path}/deletions") for one in page}
    assert listed.keys() == {one.record_id for one in records}
    assert set(listed.values()) <= {"attendance/session", "attendance/lesson"}
    shown = {one["id"] for page in _all(server, f"{path}/attendance/session", per_page=1000) for one in page}
    assert not shown & listed.keys()
    assert all(one.served[-1] is None for one in records)


def test_codes_are_joined_by_id_at_each_school(server: WondeServer, quiet: Estate, school: School) -> None:
    quiet.advance(0)
    codes = {
        one["id"]: one["code"]
        for page in _all(server, f"schools/{school.source_id}/attendance-codes", per_page=20)
        for one in page
    }
    shown = [
        one for page in _all(server, f"schools/{school.source_id}/attendance/session", per_page=1000) for one in page
    ]
    said = [codes[one["attendance_code"]] for one in shown]
    assert said == [one.code for one in _records(quiet, school)]
    assert [one.served for one in _records(quiet, school)] == [[code] for code in said]


def test_students_carry_what_a_roster_needs(server: WondeServer, quiet: Estate, school: School) -> None:
    path = f"schools/{school.source_id}"
    students = [one for page in _all(server, f"{path}/students", per_page=1000) for one in page]
    leavers = [one for page in _all(server, f"{path}/students-leaver", per_page=1000) for one in page]
    rows = quiet.pupils.of(school)
    left = [row for row in rows if quiet.pupils.flags[row] & LEAVER]
    assert [one["id"] for one in leavers] == [school.pupil_id(row) for row in left]
    assert len(students) + len(leavers) == len(rows)
    assert all(one["education_details"]["data"]["leaving_date"] is None for one in students)
    assert all(one["education_details"]["data"]["leaving_date"] for one in leavers)
    groups = {one["code"] for page in _all(server, f"{path}/groups") for one in page}
    assert {one["groups"]["data"][0]["code"] for one in students} <= groups


def test_whoever_has_no_token_or_no_permission_sees_nothing(server: WondeServer, school: School) -> None:
    assert _get(server, f"schools/{school.source_id}", token="wrong").status_code == 401
    server.forbidden.add(school.source_id)
    assert _get(server, f"schools/{school.source_id}/students").status_code == 403
    assert _get(server, "schools/A1/students").status_code == 404
    assert _get(server, "schools").status_code == 200
    assert server.requests == {401: 1, 403: 1, 404: 1, 200: 1}


def test_trouble_is_said_as_wonde_says_it(server: WondeServer, quiet: Estate, school: School) -> None:
    quiet.dirt = replace(Dirt.none(), server_errors=1.0)
    answers = [_get(server, f"schools/{school.source_id}/periods") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {429, 500}
    assert all(answer.headers["Retry-After"] == "1" for answer in answers if answer.status_code == 429)


def test_a_question_that_cannot_be_read_is_refused(server: WondeServer, school: School) -> None:
    path = f"schools/{school.source_id}/attendance/session"
    assert _get(server, path, date_from="tomorrow").status_code == 422
    assert _get(server, path, per_page="many").status_code == 422


def test_registration_periods_say_when_registers_open_and_close(server: WondeServer, school: School) -> None:
    periods = [one for page in _all(server, f"schools/{school.source_id}/periods") for one in page]
    monday = {one["name"]: one for one in periods if one["day"] == "monday" and one["type"] == "REGISTRATION"}
    opens_am, closes_am, opens_pm, closes_pm = school.times
    assert (monday["AM"]["start_time"], monday["AM"]["end_time"]) == (f"{opens_am}:00", f"{closes_am}:00")
    assert (monday["PM"]["start_time"], monday["PM"]["end_time"]) == (f"{opens_pm}:00", f"{closes_pm}:00")


def test_summaries_count_the_session_marks_that_stand(server: WondeServer, quiet: Estate, school: School) -> None:
    for tick in range(4):
        quiet.advance(tick)
    latest = {
        (one.pupil_ref, one.session_date, one.session): one.code
        for one in _records(quiet, school)
        if one.pupil != UNKNOWN and one.updated_at is not None
    }
    truth: dict[str, Counter[str]] = {}
    for (pupil_ref, _, _), code in latest.items():
        truth.setdefault(pupil_ref, Counter())[code] += 1
    said = [
        one for page in _all(server, f"schools/{school.source_id}/attendance-summaries", per_page=70) for one in page
    ]
    assert len(said) > len(truth), "of some pupils there are two"
    theirs = {one["student"]: Counter(one["attendance_codes"]) + Counter({"-": one["missing_marks"]}) for one in said}
    assert theirs == truth
