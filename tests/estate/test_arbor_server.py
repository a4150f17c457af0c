"""The Arbor-shaped server over HTTP: lists, objects, the change log, whom it lets in, trouble on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from connectors.estate.arbor_server import ArborServer
from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.messages import PulledRecord
from connectors.estate.schools import School
from tests.estate.conftest import DAY

RECORDS = "attendance-roll-call-records"


@pytest.fixture
def quiet() -> Estate:
    """Three schools that are pulled from Arbor, by a server that never has trouble nor repeats a record."""
    dirt = replace(Dirt.default(), server_errors=0.0, page_repeats=0.0)
    return Estate.make(3, 3, 600, [DAY], dirt, ahead_of=date(2025, 10, 1), feeds="arbor")


@pytest.fixture
def server(quiet: Estate) -> Iterator[ArborServer]:
    with quiet.serve() as running:
        made = running["arbor"]
        assert isinstance(made, ArborServer)
        yield made


@pytest.fixture
def school(quiet: Estate) -> School:
    return quiet.schools[0]


def _get(server: ArborServer, school: School, path: str, token: str = "estate-token", **query: Any) -> httpx.Response:
    base_url = server.base_url.replace("{id}", school.source_id)
    return httpx.get(f"{base_url}/rest-v2/{path}", params=query, auth=("estate", token))


def _listed(server: ArborServer, school: School, path: str, **query: Any) -> list[str]:
    """The ids of a list, page by page to its end."""
    found: list[str] = []
    for number in range(1_000):
        answer = _get(server, school, path, **{"page-number": str(number), **query})
        assert answer.status_code == 200
        (links,) = (value for name, value in answer.json().items() if name != "response")
        if not links:
            return found
        found += [str(link["href"]).rsplit("/", 1)[1] for link in links]
    raise AssertionError("the list never ends")


def _alive(estate: Estate, school: School) -> list[PulledRecord]:
    return [one for one in estate.records[school.urn].values() if one.deleted_at is None]


def test_a_list_is_links_to_every_record_once(server: ArborServer, quiet: Estate, school: School) -> None:
    quiet.advance(0)
    assert _listed(server, school, RECORDS) == [one.record_id for one in _alive(quiet, school)]
    assert not any(one.served for one in _alive(quiet, school)), "a link shows no mark"


def test_an_object_is_the_record_as_it_is_now(server: ArborServer, quiet: Estate, school: School) -> None:
    quiet.advance(0)
    record = _alive(quiet, school)[0]
    shown = _get(server, school, f"{RECORDS}/{record.record_id}").json()["attendanceRollCallRecord"]
    assert shown["attendanceMark"]["attendanceMark"] == record.code
    assert shown["recordDate"] == record.session_date.isoformat()
    assert str(shown["student"]["href"]).endswith(f"/{record.pupil_ref}")
    assert record.served == [record.code]


def test_dates_that_are_asked_for_are_exclusive(server: ArborServer, quiet: Estate, school: School) -> None:
    quiet.advance(0)
    window = {"filters.recordDate.after": "2025-09-09", "filters.recordDate.before": "2025-09-11"}
    assert _listed(server, school, RECORDS, **window) == [
        one.record_id for one in _alive(quiet, school) if one.session_date == date(2025, 9, 10)
    ]
    assert _listed(server, school, RECORDS, **{"filters.recordDate.before": "2025-09-01"}) == []


def test_the_change_log_tells_changes_and_deletions_after_a_revision(
    server: ArborServer, quiet: Estate, school: School
) -> None:
    quiet.advance(0)
    before = _get(server, school, f"{RECORDS}/changelog", **{"from-revision": "0"}).json()["changes"]
    last = max(one["toRevision"] for one in before)
    kept, shown, unseen = _alive(quiet, school)[:3]
    _get(server, school, f"{RECORDS}/{shown.record_id}")
    kept.updated_at = shown.deleted_at = unseen.deleted_at = datetime.now(UTC)
    changes = _get(server, school, f"{RECORDS}/changelog", **{"from-revision": str(last)}).json()["changes"]
    assert [one["changeType"] for one in changes] == ["update", "delete", "delete"]
    assert shown.served == [shown.code, None]
    assert unseen.served == [], "nobody has to be told that what they were not shown is gone"
    assert _get(server, school, f"{RECORDS}/{shown.record_id}").status_code == 404
    assert shown.record_id not in _listed(server, school, RECORDS)


def test_a_deletion_between_two_pages_moves_the_rest_up(server: ArborServer, quiet: Estate, school: School) -> None:
    """As it is where pages are cut by number: whoever does not read again misses a record."""
    quiet.advance(0)
    records = [one.record_id for one in _alive(quiet, school)]
    first = _get(server, school, RECORDS, **{"page-size": "50"}).json()["attendanceRollCallRecords"]
    quiet.records[school.urn][records[0]].deleted_at = datetime.now(UTC)
    second = _get(server, school, RECORDS, **{"page-size": "50", "page-number": "1"}).json()
    assert str(first[-1]["href"]).endswith(records[49])
    assert str(second["attendanceRollCallRecords"][0]["href"]).endswith(records[51])


def test_a_page_may_begin_with_the_last_record_of_the_page_before(
    server: ArborServer, quiet: Estate, school: School
) -> None:
    quiet.dirt = replace(quiet.dirt, page_repeats=1.0)
    quiet.advance(0)
    listed = _listed(server, school, RECORDS, **{"page-size": "50"})
    assert list(dict.fromkeys(listed)) == [one.record_id for one in _alive(quiet, school)]
    assert len(listed) > len(set(listed))


def test_whoever_has_no_password_or_no_permission_sees_nothing(server: ArborServer, school: School) -> None:
    assert _get(server, school, "students", token="wrong").status_code == 401
    server.forbidden.add(school.source_id)
    assert _get(server, school, "students").status_code == 403
    server.forbidden.clear()
    assert _get(server, school, "guardians").status_code == 404
    assert _get(server, school, "students/nobody").status_code == 404
    assert _get(server, replace(school, urn=1), "students").status_code == 404
