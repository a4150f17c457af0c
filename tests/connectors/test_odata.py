"""The OData profile beyond the contract: its rows in our words, its services' quirks, its roster."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.access import Access
from connectors.contract import MarksPage, Page, Pull, Source, Window
from connectors.encoding import days
from connectors.odata import shape
from connectors.odata.client import ODataClient
from connectors.odata.connector import ODataConnector
from connectors.odata.roster import roster
from connectors.pupils import UpnKey
from connectors.records import kept
from rollcall.errors import ConfigError
from tests.connectors.contract import UPN
from tests.connectors.odata import SECRET, FakeOData, pupil, row
from tests.connectors.pull_child import QUICK

URN = 100_001
KEY = UpnKey(b"a key that is only used in tests", "k1")
SOURCE = Source(str(URN), URN)
BEGAN = datetime(2025, 9, 10, 8, 30, tzinfo=UTC)
PULL = Pull("p", SOURCE, BEGAN)
MEMBER = {"Id": "M1", "SchoolURN": str(URN), "PupilId": "PUP-1", "GroupId": "G1", "StartDate": "2025-09-01"}
GROUP = {"Id": "G1", "SchoolURN": str(URN), "Name": "7A", "Type": "Registration"}


def connector(url: str = "http://127.0.0.1:9", **options: str) -> tuple[ODataConnector, ODataClient]:
    client = ODataClient(url, patience=QUICK, a_second=10_000)
    access = Access.of("odata", url, SECRET, [(str(URN), URN, "national")], options=options)
    return ODataConnector(access, client, KEY, today=date(2025, 9, 10)), client


def said(pull: Pull, *rows: Mapping[str, Any], **options: str) -> MarksPage:
    return connector(**options)[0].to_message(pull, Page("AttendanceSessions", 0, rows))


def ids(page: MarksPage) -> list[str]:
    return [mark["record_id"] for mark in page.marks]


def pulled(service: FakeOData, pull: Pull = PULL, **options: str) -> list[Any]:
    """Every page that a pull gives."""
    made, client = connector(service.url, **options)

    async def everything() -> list[Any]:
        try:
            return [page async for page in made.pull(pull)]
        finally:
            await client.aclose()

    return asyncio.run(everything())


@pytest.fixture
def service() -> Any:
    made = FakeOData()
    made.held = {"AttendanceSessions": [row(number, URN) for number in range(3)], "Pupils": [pupil(0, URN)]}
    yield made
    made.close()


def test_the_sample_row_of_the_profile_is_read() -> None:
    sample = (
        '{"Id":"AS-8841273","SchoolURN":"139352","UPN":"X823456789012","PupilId":"PUP-99213",'
        '"SessionDate":"2026-06-23","Session":"AM","Mark":"L","Modified":"2026-06-23T09:02:11Z","IsDeleted":false}'
    )
    assert shape.mark(json.loads(sample), "odata", KEY) == {
        "record_id": "AS-8841273",
        "pupil_ref": "PUP-99213",
        "pupil_scheme": "odata",
        "session_date": days(date(2026, 6, 23)),
        "session": "AM",
        "period": None,
        "code": "L",
        "minutes_late": None,
        "modified_at": int(datetime(2026, 6, 23, 9, 2, 11, tzinfo=UTC).timestamp() * 1000),
    }


@pytest.mark.parametrize(
    "written", ["2025-09-10", "2025-09-10T00:00:00Z", "2025-09-10T00:00:00+01:00", "2025-09-10T00:00:00.0000000+01:00"]
)
def test_rule_8_a_session_date_is_the_day_it_says(written: str) -> None:
    """Some services type the date as a date and time; midnight with summer time's offset is still that day."""
    assert shape.mark(row(1, URN, written), "odata", KEY)["session_date"] == days(date(2025, 9, 10))


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2025-09-10T08:15:00Z", "2025-09-10T08:15:00+00:00"),
        ("2025-09-10T08:15:00.1234567Z", "2025-09-10T08:15:00.123456+00:00"),
        ("2025-09-10T09:15:00+01:00", "2025-09-10T08:15:00+00:00"),
        ("2025-09-10T09:15:00", "2025-09-10T08:15:00+00:00"),
        ("2025-10-26T01:30:00", "2025-10-26T00:30:00+00:00"),
    ],
)
def test_a_modified_time_without_offset_is_londons(written: str, instant: str) -> None:
    changed = shape.modified({"Modified": written})
    assert changed is not None
    assert changed.isoformat() == instant


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"Id": None}, "the record's id is missing"),
        ({"SchoolURN": None}, "the school's URN is missing"),
        ({"PupilId": None}, "the pupil's id is missing"),
        ({"Session": ""}, "the session is missing"),
        ({"Mark": 7}, "the mark is missing"),
        ({"Mark": "She said that " * 9}, "the mark is missing"),
        ({"SessionDate": "10/09/2025"}, "a date cannot be read"),
        ({"SessionDate": None}, "a date cannot be read"),
        ({"Modified": "yesterday"}, "a time cannot be read"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_alone_and_says_why(changed: dict[str, Any], reason: str) -> None:
    page = said(PULL, row(1, URN), row(2, URN, **changed), row(3, URN))
    assert ids(page) == ["AS-00001", "AS-00003"]
    assert [refusal.reason for refusal in page.refused] == [reason]


def test_a_mark_that_is_not_sent_at_all_is_no_blank() -> None:
    """Null is a blank (rule 3); a row without the field is one that we did not understand."""
    assert said(PULL, row(1, URN, Mark=None)).marks[0]["code"] == ""
    without = {name: value for name, value in row(1, URN).items() if name != "Mark"}
    assert [refusal.reason for refusal in said(PULL, without).refused] == ["the mark is missing"]


def test_a_refused_row_is_kept_without_upn_mark_and_comment() -> None:
    assert kept({**row(1, URN, UPN=UPN), "Forename": "x"}, shape.KEPT_FIELDS).keys() == {
        "Id",
        "SchoolURN",
        "PupilId",
        "SessionDate",
        "Session",
        "Modified",
        "IsDeleted",
    }


def test_rule_5_a_pupil_goes_by_the_services_id_and_by_the_keyed_upn_only_without_one() -> None:
    with_both, with_upn = said(PULL, row(1, URN, UPN=UPN), row(2, URN, UPN=UPN, PupilId=None)).marks
    assert (with_both["pupil_scheme"], with_both["pupil_ref"]) == ("odata", "PUP-0")
    assert (with_upn["pupil_scheme"], with_upn["pupil_ref"]) == KEY.reference(UPN)


def test_only_what_was_asked_for_is_taken_whatever_the_service_sends() -> None:
    since = Pull("p", SOURCE, BEGAN, since=BEGAN)
    old = row(1, URN, Modified="2025-09-10T08:29:59Z")
    assert ids(said(since, old, row(2, URN, Modified="2025-09-10T08:30:00Z"), row(3, URN + 1))) == ["AS-00002"]
    assert ids(said(since, row(1, URN, Modified=None))) == ["AS-00001"], "without a time it may be new"


def test_a_service_that_caches_is_asked_further_back(service: FakeOData) -> None:
    since = Pull("p", SOURCE, BEGAN, since=BEGAN)
    pulled(service, since, cache_hours="24")
    assert "Modified ge 2025-09-09T08:30:00Z" in service.queries("AttendanceSessions")[0]["$filter"]
    yesterday = row(1, URN, Modified="2025-09-09T09:00:00Z")
    assert ids(said(since, yesterday)) == []
    assert ids(said(since, yesterday, cache_hours="24")) == ["AS-00001"]


def test_a_deleted_row_needs_no_more_than_its_id_and_its_day_in_a_window() -> None:
    gone = {"Id": "AS-1", "SchoolURN": str(URN), "SessionDate": "2025-09-10", "IsDeleted": True}
    assert said(PULL, gone) == MarksPage([], ["AS-1"], [])
    elsewhere = Pull("p", SOURCE, BEGAN, window=Window(date(2025, 9, 11), date(2025, 9, 11)))
    assert said(elsewhere, gone) == MarksPage([], [], [])
    assert said(Pull("p", SOURCE, BEGAN, window=Window(date(2025, 9, 10), date(2025, 9, 10))), gone).deletions == [
        "AS-1"
    ]


def test_a_row_skipped_while_data_changed_comes_with_the_next_whole_window(service: FakeOData) -> None:
    """Paging over changing data may skip a row for good: no pull of changes asks for it again, a window does."""
    rows = service.held["AttendanceSessions"]
    service.held["AttendanceSessions"] = [rows[0], rows[2]]
    assert [one["Id"] for page in pulled(service) for one in page.records] == ["AS-00000", "AS-00002"]
    service.held["AttendanceSessions"] = rows
    later = Pull("q", SOURCE, BEGAN + timedelta(hours=1), since=BEGAN + timedelta(minutes=58))
    assert pulled(service, later) == []
    window = Pull("r", SOURCE, BEGAN + timedelta(hours=2), window=Window(date(2025, 9, 10), date(2025, 9, 10)))
    assert len([one for page in pulled(service, window) for one in page.records]) == 3


def test_what_names_a_pupil_is_not_even_asked_for(service: FakeOData) -> None:
    made, client = connector(service.url)

    async def all_of_it() -> None:
        async for _ in made.reference(PULL):
            pass
        await client.aclose()

    pulled(service)
    asyncio.run(all_of_it())
    asked = {field for _, query in service.asked for field in query["$select"].split(",")}
    assert not asked & {"Forename", "Surname", "Comment"}
    assert "DateOfBirth" in asked


def test_a_user_and_a_password_let_us_in_where_the_service_wants_them(service: FakeOData) -> None:
    service.authorization = "Basic dXNlcjpwYXNz"
    client = ODataClient(service.url, patience=QUICK)
    access = Access.of("odata", service.url, "user:pass", [(str(URN), URN, "national")], options={"auth": "basic"})
    made = ODataConnector(access, client, KEY)

    async def check() -> Sequence[str]:
        try:
            return await made.check(SOURCE)
        finally:
            await client.aclose()

    assert asyncio.run(check()) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cache_hours": "soon"}, "cache_hours is 'soon'"),
        ({"cache_hours": "nan"}, "cache_hours is 'nan'"),
        ({"cache_hours": "9999"}, "a fortnight at most"),
        ({"auth": "magic"}, "bearer or basic"),
        ({"cache": "24"}, "cache is no option"),
    ],
)
def test_an_option_that_means_nothing_is_said_at_once(options: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        connector(**options)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda held: held.update(AttendanceSessions=[], Pupils=[]), "no pupil and no mark of SchoolURN 100001"),
        (lambda held: held["AttendanceSessions"].append(row(9, URN, Mark="X9")), "1 of its codes are not national"),
        (lambda held: held.pop("AttendanceSessions"), r"has no AttendanceSessions \(404\)"),
    ],
)
def test_check_says_what_stands_in_the_way(service: FakeOData, change: Any, told: str) -> None:
    change(service.held)
    service.per_page = 50
    made, client = connector(service.url)

    async def check() -> Sequence[str]:
        try:
            return await made.check(SOURCE)
        finally:
            await client.aclose()

    (line,) = asyncio.run(check())
    assert re.search(told, line)


def one_roster(**entities: Any) -> dict[str, Any]:
    rows = {"Pupils": [pupil(1, URN)], "Groups": [GROUP], "GroupMemberships": [MEMBER], **entities}
    return roster(PULL, "odata", rows, KEY, date(2025, 9, 10))


def test_a_roster_has_references_dates_and_groups_and_no_person() -> None:
    (one,) = one_roster(Pupils=[pupil(1, URN, UPN=UPN)])["pupils"]
    scheme, ref = KEY.reference(UPN)
    assert one["refs"] == [
        {"scheme": "odata", "ref": "PUP-1"},
        {"scheme": "mis", "ref": "1"},
        {"scheme": scheme, "ref": ref},
    ]
    assert one["age_31_august"] == 11
    assert one["groups"] == [{"group_id": "7A", "first_day": days(date(2025, 9, 1)), "last_day": None}]
    assert not any(word in json.dumps(one) for word in ("nowhere", UPN, "2013"))


def test_a_pupil_who_came_back_is_one_pupil_with_two_enrolments_and_groups_of_their_own_dates() -> None:
    before = pupil(1, URN, EnrolmentStart="2022-09-05", EnrolmentEnd="2023-07-19", YearGroup="5")
    other = {**MEMBER, "Id": "M0", "StartDate": "2022-09-05", "EndDate": "2023-07-19"}
    (one,) = one_roster(Pupils=[pupil(1, URN), before], GroupMemberships=[MEMBER, other])["pupils"]
    assert [(part["first_day"], part["year_group"]) for part in one["enrolments"]] == [
        (days(date(2022, 9, 5)), "5"),
        (days(date(2024, 9, 3)), "7"),
    ]
    assert [part["last_day"] for part in one["groups"]] == [days(date(2023, 7, 19)), None]


def test_rows_that_are_sent_twice_stand_once_in_the_roster() -> None:
    """A service repeats rows while data changes under its paging: the same roster must be the same message."""
    twice = one_roster(Pupils=[pupil(1, URN)] * 2, Groups=[GROUP] * 2, GroupMemberships=[MEMBER] * 2)
    assert twice == one_roster()


def test_other_groups_than_registration_groups_are_left_out_where_the_service_tells() -> None:
    maths = {"Id": "G2", "SchoolURN": str(URN), "Name": "7 Maths", "Type": "Teaching"}
    in_both = [MEMBER, {**MEMBER, "Id": "M2", "GroupId": "G2"}]
    (one,) = one_roster(Groups=[GROUP, maths], GroupMemberships=in_both)["pupils"]
    assert [group["group_id"] for group in one["groups"]] == ["7A"]
    untold = [{**GROUP, "Type": None}, {**maths, "Type": None}]
    (one,) = one_roster(Groups=untold, GroupMemberships=in_both)["pupils"]
    assert [group["group_id"] for group in one["groups"]] == ["7 Maths", "7A"]


@pytest.mark.parametrize(
    ("said_status", "status"), [("C", "main"), ("S", "subsidiary"), ("G", "guest"), ("Pre-Admission", "pre-admission")]
)
def test_the_enrolment_status_is_the_census_letter_or_our_word(said_status: str, status: str) -> None:
    (one,) = one_roster(Pupils=[pupil(1, URN, EnrolmentStatus=said_status)])["pupils"]
    assert one["enrolments"][0]["status"] == status


def test_no_pupil_is_left_out_for_a_missing_field() -> None:
    (one,) = one_roster(Pupils=[{"Id": "PUP-1", "YearGroup": 7}], GroupMemberships=[])["pupils"]
    assert (one["refs"], one["age_31_august"]) == ([{"scheme": "odata", "ref": "PUP-1"}], 11)
    assert one["enrolments"][0]["first_day"] == days(date(2025, 9, 1))
