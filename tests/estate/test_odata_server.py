"""The OData service of the estate over HTTP: pages, filters kept and ignored, deleted rows, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.makes import MAKES
from connectors.estate.odata_server import ODataServer
from connectors.estate.pupils import LEAVER
from connectors.estate.schools import School
from tests.estate.conftest import DAY


@pytest.fixture
def quiet() -> Estate:
    """Six schools, all pulled, by a service that never has trouble, repeats no row and keeps to its filter."""
    dirt = replace(Dirt.default(), server_errors=0.0, page_repeats=0.0, ignored_filters=0.0)
    return Estate.make(3, 6, 2_400, [DAY], dirt, ahead_of=date(2025, 10, 1), feeds="odata")


@pytest.fixture
def server(quiet: Estate) -> Iterator[ODataServer]:
    with quiet.serve() as running:
        made = running["odata"]
        assert isinstance(made, ODataServer)
        yield made


@pytest.fixture
def school(quiet: Estate) -> School:
    """The largest school: its marks fill several pages."""
    return max(quiet.schools, key=lambda one: one.pupils)


def _get(server: ODataServer, entity: str, conditions: str, token: str = "estate-token") -> httpx.Response:
    return httpx.get(
        f"{server.base_url}/{entity}",
        params={"$filter": conditions, "$orderby": "Id"},
        headers={"Authorization": f"Bearer {token}"},
    )


def _all(server: ODataServer, school: School, entity: str = "AttendanceSessions", more: str = "") -> list[Any]:
    """Every page of a school's rows, by following `@odata.nextLink`."""
    pages = []
    answer = _get(server, entity, f"SchoolURN eq '{school.urn}'{more}")
    while True:
        assert answer.status_code == 200
        pages.append(answer.json()["value"])
        link = answer.json().get("@odata.nextLink")
        if link is None:
            return pages
        answer = httpx.get(answer.url.join(link), headers={"Authorization": "Bearer estate-token"})


def _rows(pages: list[Any]) -> list[dict[str, Any]]:
    return [row for page in pages for row in page]


def test_pages_hold_every_row_once_in_order_of_id(server: ODataServer, quiet: Estate, school: School) -> None:
    quiet.advance(0)
    pages = _all(server, school)
    assert len(pages) > 1
    held = quiet.records[school.urn]
    assert [row["Id"] for row in _rows(pages)] == sorted(held)
    assert all(held[row["Id"]].served == [None if row["IsDeleted"] else row["Mark"]] for row in _rows(pages))


def test_a_page_may_begin_with_the_last_row_of_the_page_before(
    server: ODataServer, quiet: Estate, school: School
) -> None:
    quiet.dirt = replace(quiet.dirt, page_repeats=1.0)
    quiet.advance(0)
    pages = _all(server, school)
    assert all(page[0]["Id"] == before[-1]["Id"] for before, page in pairwise(pages))
    assert {row["Id"] for row in _rows(pages)} == quiet.records[school.urn].keys()


def test_only_what_changed_is_given_after_an_instant_and_deleted_rows_say_so(
    server: ODataServer, quiet: Estate, school: School
) -> None:
    quiet.advance(0)
    for record in quiet.records[school.urn].values():
        assert record.updated_at is not None
        record.updated_at -= timedelta(minutes=5)
        record.deleted_at = record.deleted_at and record.deleted_at - timedelta(minutes=5)
    quiet.advance(1)
    after = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    rows = _rows(_all(server, school, more=f" and Modified ge {after}"))
    assert {row["Id"] for row in rows} == {
        change.record_id for change in quiet.script.changes[1] if change.urn == school.urn
    }
    gone = {one.record_id for one in quiet.records[school.urn].values() if one.deleted_at is not None}
    assert {row["Id"] for row in rows if row["IsDeleted"]} == {row["Id"] for row in rows} & gone


def test_a_window_of_session_dates_is_given_whole(server: ODataServer, quiet: Estate, school: School) -> None:
    for tick in quiet.ticks:
        quiet.advance(tick)
    inside = _rows(_all(server, school, more=f" and SessionDate ge {DAY} and SessionDate le {DAY}"))
    assert {row["SessionDate"] for row in inside} == {DAY.isoformat()}
    assert _all(server, school, more=" and SessionDate le 2020-01-31") == [[]]


def test_a_filter_may_be_ignored_from_the_first_page_of_a_reading_to_its_last(
    server: ODataServer, quiet: Estate, school: School
) -> None:
    quiet.advance(0)
    quiet.dirt = replace(quiet.dirt, ignored_filters=1.0)
    answer = _get(server, "AttendanceSessions", f"SchoolURN eq '{school.urn}' and Modified ge 2100-01-01T00:00:00Z")
    quiet.dirt = replace(quiet.dirt, ignored_filters=0.0)
    link = answer.json()["@odata.nextLink"]
    more = httpx.get(answer.url.join(link), headers={"Authorization": "Bearer estate-token"}).json()
    assert answer.json()["value"]
    assert more["value"]
    other = _all(server, school, more=" and Modified ge 2100-01-01T00:00:00Z")
    assert other == [[]]


def test_pupils_and_memberships_carry_what_a_roster_needs(server: ODataServer, quiet: Estate, school: School) -> None:
    pupils = {row["Id"]: row for row in _rows(_all(server, school, "Pupils"))}
    rows = quiet.pupils.of(school)
    assert pupils.keys() == {school.pupil_id(row) for row in rows}
    left = {school.pupil_id(row) for row in rows if quiet.pupils.flags[row] & LEAVER}
    assert {one for one, row in pupils.items() if row["EnrolmentEnd"]} == left
    groups = {row["Id"] for row in _rows(_all(server, school, "Groups"))}
    members = _rows(_all(server, school, "GroupMemberships"))
    assert {row["PupilId"] for row in members} == pupils.keys()
    assert {row["GroupId"] for row in members} == groups


def test_whoever_has_no_token_or_no_permission_sees_nothing(server: ODataServer, school: School) -> None:
    ours = f"SchoolURN eq '{school.urn}'"
    assert _get(server, "Pupils", ours, token="wrong").status_code == 401
    server.forbidden.add(school.source_id)
    assert _get(server, "Pupils", ours).status_code == 403
    assert _get(server, "Pupils", "SchoolURN eq '1'").json()["value"] == []
    assert _get(server, "Secrets", "SchoolURN eq '1'").status_code == 404
    assert server.requests == {401: 1, 403: 1, 200: 1, 404: 1}


def test_a_question_that_cannot_be_read_is_refused(server: ODataServer) -> None:
    assert _get(server, "Pupils", "Forename eq 'x'").status_code == 400
    assert _get(server, "Pupils", "SchoolURN like 1").status_code == 400


def test_every_make_is_served_and_says_how_its_schools_are_pulled() -> None:
    estate = Estate.make(3, 14, 1_600, [DAY], ahead_of=date(2025, 10, 1), makes=tuple(MAKES))
    with estate.serve() as servers:
        sources = {source["make"]: source for source in estate.sources(servers, "file:secret")}
        assert sources.keys() == servers.keys() == set(MAKES)
        for make, source in sources.items():
            assert source["base_url"] == servers[make].base_url
            assert source.get("secret") == ("file:secret" if servers[make].needs_secret else None)
            assert source["options"] == servers[make].options
            assert source["schools"] == [
                {"id": school.source_id, "urn": school.urn, "code_scheme": school.pulled_scheme}
                for school in estate.schools
                if school.pulled_from(make)
            ]
