"""What is Bromcom's own in a pull: weeks beside attendances, lessons, filters, pages without links, the secret."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors.access import Access
from connectors.bromcom.client import BromcomClient
from connectors.bromcom.connector import BromcomConnector
from connectors.contract import BadPage, MarksPage, Pull, Reference, Window
from connectors.pupils import UpnKey
from rollcall.errors import SourceError
from tests.connectors.bromcom import APPLICATION, SECRET, FakeBromcom, attendance, pupil, school
from tests.connectors.pull_child import QUICK
from tests.connectors.server import Answer

URN = 700_001
WEDNESDAY = date(2025, 9, 10)
DAY = Window(WEDNESDAY, WEDNESDAY)


@pytest.fixture
def mis() -> Iterator[FakeBromcom]:
    server = FakeBromcom(per_page=3)
    yield server
    server.close()


class Reader:
    """Reads the fake's one school through a connector of its own."""

    def __init__(self, mis: FakeBromcom, **options: str) -> None:
        self._mis, self._options = mis, options

    def pull(
        self, window: Window | None = None, since: datetime | None = None
    ) -> tuple[list[MarksPage], list[BadPage]]:
        async def read(connector: BromcomConnector, pull: Pull) -> tuple[list[MarksPage], list[BadPage]]:
            found = [page async for page in connector.pull(pull)]
            bad = [page for page in found if isinstance(page, BadPage)]
            return [connector.to_message(pull, page) for page in found if not isinstance(page, BadPage)], bad

        result: tuple[list[MarksPage], list[BadPage]] = self._with_connector(read, window, since)
        return result

    def marks(self, window: Window | None = None, since: datetime | None = None) -> dict[str, dict[str, Any]]:
        """What is said, by record; every record once."""
        said = [dict(mark) for page in self.pull(window, since)[0] for mark in page.marks]
        found = {mark["record_id"]: mark for mark in said}
        assert len(found) == len(said)
        return found

    def check(self) -> Sequence[str]:
        result: Sequence[str] = self._with_connector(lambda connector, pull: connector.check(pull.source))
        return result

    def roster(self) -> dict[str, Any]:
        async def read(connector: BromcomConnector, pull: Pull) -> list[Reference]:
            return [reference async for reference in connector.reference(pull)]

        (reference,) = self._with_connector(read)
        return dict(reference.record)

    def _with_connector(self, use: Any, window: Window | None = None, since: datetime | None = None) -> Any:
        async def opened() -> Any:
            secret = f"{APPLICATION}:{SECRET}"
            access = Access.of("bromcom", self._mis.origin, secret, [("4711", URN, "national")], options=self._options)
            client = BromcomClient(access.base_url, patience=QUICK, a_second=10_000)
            connector = BromcomConnector(access, client, UpnKey(b"k" * 32, "k1"), today=WEDNESDAY)
            (source,) = await connector.discover()
            try:
                return await use(connector, Pull("p", source, datetime(2025, 9, 10, 15, tzinfo=UTC), since, window))
            finally:
                await client.aclose()

        return asyncio.run(opened())


def test_a_window_says_each_mark_once_with_what_attendances_know_of_it(mis: FakeBromcom) -> None:
    mis.held["Attendances"] = [
        attendance(7001, "2025-09-10", mark="L", minute=12),
        attendance(7001, "2025-09-10", "PM", "\\"),
        attendance(7002, "2025-09-10", mark="Y", markSubcode="1"),
        attendance(7001, "2025-09-11"),
    ]
    said = Reader(mis).marks(DAY)
    assert {record: mark["code"] for record, mark in said.items()} == {
        "7001:2025-09-10:AM": "L",
        "7001:2025-09-10:PM": "\\",
        "7002:2025-09-10:AM": "Y1",
    }
    assert said["7001:2025-09-10:AM"]["minutes_late"] == 12
    assert said["7001:2025-09-10:AM"]["modified_at"] is not None


def test_what_only_the_week_shows_is_said_at_the_time_of_the_pull(mis: FakeBromcom) -> None:
    mis.held["Attendances"] = [attendance(7001, "2025-09-10")]
    mis.weeks = {(7001, WEDNESDAY, "PM"): "N", (7002, WEDNESDAY, "AM"): "\\", (7002, date(2025, 9, 9), "AM"): "/"}
    said = Reader(mis).marks(DAY)
    assert {record: (mark["code"], mark["modified_at"] is None) for record, mark in said.items()} == {
        "7001:2025-09-10:AM": ("/", False),
        "7001:2025-09-10:PM": ("N", True),
        "7002:2025-09-10:AM": ("\\", True),
    }


def test_where_the_week_shows_another_code_it_was_changed_in_between(mis: FakeBromcom) -> None:
    mis.held["Attendances"] = [attendance(7001, "2025-09-10", mark="N"), attendance(7002, "2025-09-10", mark="Y1")]
    mis.weeks = {(7001, WEDNESDAY, "AM"): "I", (7002, WEDNESDAY, "AM"): "Y"}
    pages, _ = Reader(mis).pull(DAY)
    said = [(mark["record_id"], mark["code"]) for page in pages for mark in page.marks]
    assert said == [("7001:2025-09-10:AM", "N"), ("7002:2025-09-10:AM", "Y1"), ("7001:2025-09-10:AM", "I")]


def test_a_window_over_weeks_and_a_saturday_is_said_whole(mis: FakeBromcom) -> None:
    days = ["2025-09-05", "2025-09-06", "2025-09-08", "2025-09-12", "2025-09-15"]
    mis.held["Attendances"] = [attendance(7001, day) for day in days]
    assert list(Reader(mis).marks(Window(date(2025, 9, 5), date(2025, 9, 15)))) == [f"7001:{day}:AM" for day in days]


def test_rule_7_lessons_of_both_entities_are_said_once(mis: FakeBromcom) -> None:
    basic = {"studentId": 7001, "calendarStartDate": "2025-09-10T09:30:00", "mark": "/", "attendanceComment": "Remark"}
    mis.held["Attendances"] = [attendance(7001, "2025-09-10", "P1", calendarStartDate="2025-09-10T09:30:00")]
    mis.held["BasicAttendance"] = [
        {**basic, "periodDisplayName": "P1"},
        {**basic, "periodDisplayName": "P2", "calendarStartDate": "2025-09-10T10:30:00"},
        {**basic, "periodDisplayName": "AM"},
    ]
    assert [(mark["record_id"], mark["period"]) for mark in Reader(mis).marks(DAY).values()] == [
        ("7001:2025-09-10:P1", "P1"),
        ("7001:2025-09-10:P2", "P2"),
    ]


def test_a_school_that_shares_no_lessons_is_read_all_the_same(mis: FakeBromcom) -> None:
    del mis.held["BasicAttendance"]
    mis.held["Attendances"] = [attendance(7001, "2025-09-10")]
    assert len(Reader(mis).marks(DAY)) == 1


def test_attendances_that_cannot_be_read_keep_the_week_unsaid(mis: FakeBromcom) -> None:
    """Else it would say L without the minutes that the unread page has."""
    mis.held["Attendances"] = [attendance(7000 + number, "2025-09-10", mark="L", minute=5) for number in range(5)]
    mis.broken["Attendances"] = 1
    pages, bad = Reader(mis).pull(DAY)
    assert [page.resource for page in bad] == ["Attendances"]
    assert [mark["minutes_late"] for page in pages for mark in page.marks] == [5, 5, 5]
    assert not mis.queries("StudentAttendanceByWeek")


def test_pages_of_all_weeks_are_numbered_through(mis: FakeBromcom) -> None:
    """What cannot be read is kept by the number of its page: a second week must not take the place of the first."""
    mis.trouble["Attendances"] = [Answer(body=b"{")] * 3 + [Answer(body=b'{"data": []}')] + [Answer(body=b"{")] * 3
    _, bad = Reader(mis).pull(Window(date(2025, 9, 8), date(2025, 9, 19)))
    assert [page.number for page in bad] == [0, 2]


@pytest.mark.parametrize(
    ("since", "asked"),
    [
        (datetime(2025, 9, 10, 8, 0, 30, tzinfo=UTC), "recordedOn>='2025-09-10T09:00:30'"),
        (datetime(2025, 11, 5, 8, tzinfo=UTC), "recordedOn>='2025-11-05T08:00:00'"),
        (datetime(2025, 10, 26, 0, 30, tzinfo=UTC), "recordedOn>='2025-10-26T00:30:00'"),
        (datetime(2025, 10, 26, 1, 30, tzinfo=UTC), "recordedOn>='2025-10-26T00:30:00'"),
    ],
)
def test_rule_8_it_is_asked_in_the_schools_own_time(mis: FakeBromcom, since: datetime, asked: str) -> None:
    Reader(mis).pull(since=since)
    assert mis.queries("Attendances")[0]["entityFilter"] == f"{asked}{{page:0}}"


def test_pages_are_turned_until_one_is_empty(mis: FakeBromcom) -> None:
    mis.held["Attendances"] = [attendance(7000 + number, "2025-09-10") for number in range(6)]
    assert len(Reader(mis).marks()) == 6
    assert [query["entityFilter"][-8:] for query in mis.queries("Attendances")] == ["{page:0}", "{page:1}", "{page:2}"]


def test_a_server_that_turns_no_pages_is_an_error_and_no_endless_pull(mis: FakeBromcom) -> None:
    mis.held["Attendances"] = [attendance(7001, "2025-09-10")]
    mis.turns_pages = False
    with pytest.raises(SourceError, match="again and again"):
        Reader(mis).pull()
    assert len(mis.queries("Attendances")) == 2


def test_no_success_is_no_page(mis: FakeBromcom) -> None:
    mis.trouble["Attendances"] = [Answer(body=b'{"success": false, "data": []}')] * 3
    _, (bad,) = Reader(mis).pull()
    assert "no success" in bad.reason


def test_check_names_each_entity_that_the_school_does_not_share(mis: FakeBromcom) -> None:
    assert Reader(mis).check() == []
    del mis.held["StudentFlatView"]
    (said,) = Reader(mis).check()
    assert "StudentFlatView" in said


@pytest.mark.parametrize(("said", "found"), [(URN, 0), (f"{URN} ", 0), ("", 0), (None, 0), ("0", 0), ("123456", 1)])
def test_check_says_that_the_urn_is_another_where_bromcom_says_one(mis: FakeBromcom, said: Any, found: int) -> None:
    mis.held["Schools"] = [school(1, said), school(2, "654321")]
    answers = Reader(mis).check()
    assert len(answers) == found
    assert all("4711 has the URN 123456, not 700001" in one for one in answers)


@pytest.mark.parametrize("answer", [Answer(404), Answer(403), Answer(body=b"<html>")])
def test_a_school_that_does_not_share_what_it_is_can_be_pulled(mis: FakeBromcom, answer: Answer) -> None:
    mis.held["Schools"] = [school(1, "123456")]
    mis.trouble["Schools"] = [answer] * 3
    assert Reader(mis).check() == []


@pytest.mark.parametrize("place", ["headers", "query"])
def test_rule_27_the_secret_is_in_no_log_and_no_error(
    mis: FakeBromcom, place: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    reader = Reader(mis, secret_in=place)
    reader.pull()
    assert any(SECRET in str(query) for _, query in mis.asked) == (place == "query")
    mis.trouble["Attendances"] = [Answer(400), Answer(302), *[Answer(503)] * 4]
    told = []
    for _ in range(3):
        with pytest.raises(SourceError) as error:
            reader.pull()
        told.append(str(error.value))
    printed = capsys.readouterr()
    assert SECRET not in "".join([*told, caplog.text, printed.out, printed.err])


def test_the_roster_is_of_who_is_on_roll_in_the_academic_year(mis: FakeBromcom) -> None:
    mis.held["StudentFlatView"] = [
        pupil(7001, upn="A306999925001"),
        pupil(7002, enrolmentEndDate="2025-07-20T00:00:00"),
        pupil(7003, enrolmentStartDate="2026-01-05T00:00:00"),
        pupil(7004, enrolmentStartDate="2026-09-02T00:00:00"),
        pupil(7005, enrolmentEndDate="2025-09-30T00:00:00"),
        pupil(7005, enrolmentStartDate="2026-02-01T00:00:00"),
    ]
    roster = Reader(mis).roster()
    assert {one["refs"][0]["ref"]: len(one["enrolments"]) for one in roster["pupils"]} == {
        "7001": 1,
        "7003": 1,
        "7005": 2,
    }
    assert "nowhere" not in str(roster)
