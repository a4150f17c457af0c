"""Pulls from a real HTTP server in Arbor's shape to real Kafka: what is asked, published and remembered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.access import Access
from connectors.arbor.client import ArborClient
from connectors.arbor.connector import ArborConnector
from connectors.contract import Window
from connectors.encoding import Encoder
from connectors.http import HttpClient
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from connectors.refused import RefusedFolder
from connectors.runner import Pulled, Runner
from connectors.state import StateFolder
from rollcall.errors import ConfigError
from tests.connectors.arbor import RECORD, RECORDS, SECRET, FakeArbor, Link, roll_call_record, school, student
from tests.connectors.conftest import ReadTopic
from tests.connectors.pull_child import QUICK
from tests.connectors.puller import MIS, ROSTER, ids
from tests.connectors.server import Answer

DAY = date(2025, 9, 10)
LESSONS, CHANGES = "attendance-records", f"{RECORDS}/changelog"


@dataclass
class ArborPuller:
    """Pulls from a `FakeArbor` with a clock that moves when it is told to."""

    mis: FakeArbor
    urn: int
    publisher: Publisher
    encoder: Encoder
    folder: Path
    now: datetime = datetime(2025, 9, 10, 8, 30, tzinfo=UTC)
    schools: list[tuple[str, int, str]] = field(default_factory=list)
    base_url: str = ""
    secret: str = SECRET
    options: Mapping[str, str] = field(default_factory=dict)

    def pull(self, window: Window | None = None, what: Any = "marks") -> list[Pulled]:
        async def once(connector: ArborConnector) -> list[Pulled]:
            return await self.round(connector, window, what)

        return self.run(once)

    async def round(self, connector: ArborConnector, window: Window | None = None, what: Any = "marks") -> list[Pulled]:
        runner = Runner(
            connector,
            self.publisher,
            self.encoder,
            self.state,
            RefusedFolder(self.folder / "refused"),
            now=lambda: self.now,
        )
        return await runner.round(await connector.discover(), window=window, what=what)

    def check(self) -> list[str]:
        async def once(connector: ArborConnector) -> list[str]:
            (source,) = await connector.discover()
            return list(await connector.check(source))

        return self.run(once)

    def run(self, work: Any) -> Any:
        async def and_close() -> Any:
            base_url = self.base_url or self.mis.origin
            schools = self.schools or [("school-a", self.urn, "national")]
            client = ArborClient(base_url, patience=QUICK, a_second=10_000)
            access = Access.of("arbor", base_url, self.secret, schools, options=self.options)
            try:
                return await work(ArborConnector(access, client, UpnKey(b"k" * 32, "k1"), today=DAY))
            finally:
                await client.aclose()

        return asyncio.run(and_close())

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.folder / "state")

    def refused(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in sorted((self.folder / "refused").rglob("*.json"))]

    def asked(self) -> list[str]:
        """The paths asked for since the last call."""
        asked = [path for path, _ in self.mis.asked]
        self.mis.asked.clear()
        return asked


@pytest.fixture
def mis() -> Any:
    server = FakeArbor()
    school(server)
    yield server
    server.close()


@pytest.fixture
def puller(mis: FakeArbor, urn: int, publisher: Publisher, encoder: Encoder, tmp_path: Path) -> ArborPuller:
    return ArborPuller(mis, urn, publisher, encoder, tmp_path)


def lesson_record(mis: FakeArbor, record: str, began: str, **changed: Any) -> None:
    mark = Link("AttendanceMark", "M47")
    mis.hold("AttendanceMark", "M47", code="PRESENT", attendanceMark="/")
    properties = {"student": Link("Student", "12"), "attendanceMark": mark, "startDatetime": began}
    mis.hold("AttendanceRecord", record, **properties, recordNote="Remark that goes no further", **changed)


def marks(mis: FakeArbor, count: int, day: str = "2025-09-10") -> None:
    for number in range(count):
        roll_call_record(mis, f"r{number}", day, "AM" if number % 2 == 0 else "PM", "/")


# Lists and objects


def test_a_window_asks_for_its_days_and_reads_them_whole(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 3)
    roll_call_record(mis, "before", "2025-09-09", "AM", "/")
    lesson_record(mis, "1", "2025-09-10 09:00:00")
    lesson_record(mis, "2", "2025-09-11 09:00:00")
    (pulled,) = puller.pull(Window(DAY, DAY))
    assert (pulled.outcome, pulled.marks, puller.state.load("school-a").place) == ("pulled", 4, None)
    pages = read_topic(MIS, puller.urn)
    assert ids(pages) == ["r0", "r1", "r2", "lesson:1"]
    assert [page["last_page"] for page in pages] == [False, False, True]
    asked = mis.queries(RECORDS)[0]
    assert asked["filters.recordDate.after"] == "2025-09-09"
    assert asked["filters.recordDate.before"] == "2025-09-11"
    assert mis.queries(LESSONS)[0]["filters.startDatetime.after"] == "2025-09-09 23:59:59"


@pytest.mark.parametrize("pages_from", [0, 1, None])
def test_every_page_is_read_once_wherever_pages_count_from(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic, pages_from: int | None
) -> None:
    """Nobody says whether the first page is 0 or 1; a server that ignores the number gives all of it again."""
    mis.pages_from = pages_from
    marks(mis, 5)
    (pulled,) = puller.pull(Window(DAY, DAY))
    assert pulled.outcome == "pulled"
    assert ids(read_topic(MIS, puller.urn)) == ["r0", "r1", "r2", "r3", "r4"]


def test_objects_are_fetched_several_at_a_time_and_stay_in_the_lists_order(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first object of a page answers last: it is first all the same."""
    mis.per_page = 10
    marks(mis, 10)
    underway, most = 0, 0
    get = HttpClient.get

    async def slow_first(self: Any, url: str, *rest: Any) -> Any:
        nonlocal underway, most
        underway, most = underway + 1, max(most, underway + 1)
        if url.endswith("/r0"):
            await asyncio.sleep(0.2)
        try:
            return await get(self, url, *rest)
        finally:
            underway -= 1

    monkeypatch.setattr(HttpClient, "get", slow_first)
    puller.pull(Window(DAY, DAY))
    assert ids(read_topic(MIS, puller.urn)) == [f"r{number}" for number in range(10)]
    assert 2 <= most <= 4, "a school's objects are asked for four at a time"


def test_a_record_that_changed_since_it_was_listed_is_as_it_is_now(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 1)
    mis.before_object = [lambda: roll_call_record(mis, "r0", "2025-09-10", "AM", "L", minutesLate=7)]
    puller.pull(Window(DAY, DAY))
    (mark,) = read_topic(MIS, puller.urn)[0]["marks"]
    assert (mark["code"], mark["minutes_late"]) == ("L", 7)


def test_a_record_moved_out_of_the_window_since_it_was_listed_is_not_said(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 2)
    mis.before_object = [lambda: roll_call_record(mis, "r1", "2025-09-12", "PM", "/")]
    assert puller.pull(Window(DAY, DAY))[0].outcome == "pulled"
    assert ids(read_topic(MIS, puller.urn)) == ["r0"]


def test_rule_18_a_record_gone_since_it_was_listed_is_not_said_and_the_window_is_whole(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 4)
    mis.before_object = [lambda: mis.drop(RECORD, "r1")]
    (pulled,) = puller.pull(Window(DAY, DAY))
    pages = read_topic(MIS, puller.urn)
    assert (pulled.outcome, ids(pages), pages[-1]["last_page"]) == ("pulled", ["r0", "r2", "r3"], True)


def test_a_record_gone_while_pages_are_read_makes_no_other_be_skipped(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    """What stands behind it moves up, over the edge of a page that was read already: rule 18 would withdraw it."""
    marks(mis, 6)
    real = mis.answer

    def answer(path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        whole = real(path, query, headers)
        if path == RECORDS and "page-number" not in query and "r1" in mis.held[RECORD]:
            mis.drop(RECORD, "r1")
        return whole

    mis.answer = answer  # type: ignore[method-assign]
    (pulled,) = puller.pull(Window(DAY, DAY))
    pages = read_topic(MIS, puller.urn)
    assert (pulled.outcome, ids(pages), pages[-1]["last_page"]) == ("pulled", ["r0", "r2", "r3", "r4", "r5"], True)


def test_a_list_that_never_stands_still_fails_the_pull(mis: FakeArbor, puller: ArborPuller) -> None:
    marks(mis, 9)
    real = mis.answer

    def answer(path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        whole = real(path, query, headers)
        if path == RECORDS and "page-number" not in query:
            mis.drop(RECORD, next(iter(mis.held[RECORD])))
        return whole

    mis.answer = answer  # type: ignore[method-assign]
    (pulled,) = puller.pull(Window(DAY, DAY))
    assert pulled.outcome == "failed"
    assert "does not stand still" in pulled.why


def test_a_list_none_of_whose_objects_is_there_withdraws_nothing(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 2)
    mis.before_object = [lambda: (mis.drop(RECORD, "r0"), mis.drop(RECORD, "r1"))]
    (pulled,) = puller.pull(Window(DAY, DAY))
    assert pulled.outcome == "failed"
    assert "none of them" in pulled.why
    assert read_topic(MIS, puller.urn) == []


def test_an_object_that_stays_unreadable_is_told_without_its_bytes_and_the_rest_go_on(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    """An object shows its pupil's name: its bytes are not kept."""
    marks(mis, 2)
    mis.trouble[f"{RECORDS}/r0"] = [Answer(200, {}, b'{"attendanceRollCallRecord": {"Surname-now')] * 3
    (pulled,) = puller.pull(Window(DAY, DAY))
    assert (pulled.outcome, pulled.refused) == ("incomplete", 1)
    pages = read_topic(MIS, puller.urn)
    assert ids(pages) == ["r1"]
    assert not pages[-1]["last_page"]
    (kept,) = puller.refused()
    assert (kept["resource"], kept["bytes_kept"]) == (f"{RECORDS}/r0", False)


def test_a_record_that_cannot_be_read_is_kept_without_persons(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 1)
    roll_call_record(mis, "r9", "2025-09-10", "AM", "/", attendanceMark=Link("AttendanceMark", "of-another-school"))
    (pulled,) = puller.pull(Window(DAY, DAY))
    assert (pulled.outcome, pulled.marks, pulled.refused) == ("pulled", 1, 1)
    (kept,) = puller.refused()
    assert kept["records"][0]["reason"] == "its mark is not in the school's list of marks"
    assert kept["records"][0]["record"]["id"] == "r9"
    assert not any(word in json.dumps(kept) for word in ("Remark", "nowhere"))


@pytest.mark.parametrize("href", ["http://127.0.0.1:9/rest-v2/attendance-roll-call-records/1", "//x/1", "/etc/1", None])
def test_a_link_that_leads_elsewhere_is_not_followed(mis: FakeArbor, puller: ArborPuller, href: Any) -> None:
    body = json.dumps({"attendanceRollCallRecords": [{"entityType": RECORD, "href": href}]}).encode()
    mis.trouble[RECORDS] = [Answer(200, {}, body)] * 3
    (pulled,) = puller.pull(Window(DAY, DAY))
    assert (pulled.outcome, pulled.refused) == ("incomplete", 1)
    assert not any(path.startswith(f"{RECORDS}/") for path in puller.asked())


def test_an_answer_with_nothing_in_it_says_that_a_right_may_be_missing(mis: FakeArbor, puller: ArborPuller) -> None:
    mis.trouble[RECORDS] = [Answer(200, {}, b"{}")]
    (pulled,) = puller.pull(Window(DAY, DAY))
    assert pulled.outcome == "failed"
    assert "may our application read AttendanceRollCallRecord" in pulled.why


def test_a_refusal_that_stands_in_the_body_alone_stops_the_school(mis: FakeArbor, puller: ArborPuller) -> None:
    mis.trouble[RECORDS] = [Answer(200, {}, b'{"response": {"code": 403, "reason": "Forbidden"}}')]
    assert puller.pull(Window(DAY, DAY))[0].outcome == "stopped"


def test_a_list_without_entries_may_have_no_root(mis: FakeArbor, puller: ArborPuller) -> None:
    mis.trouble[RECORDS] = [Answer(200, {}, b'{"response": {"code": 200, "reason": "OK"}}')]
    assert puller.pull(Window(DAY, DAY))[0].outcome == "pulled"


# The change log


def test_the_next_pull_asks_the_change_log_alone_and_fetches_what_changed(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 4)
    lesson_record(mis, "7", "2025-09-10 09:00:00")
    puller.pull()
    puller.asked()
    puller.now += timedelta(minutes=10)
    assert puller.pull()[0].pages == 0
    assert puller.asked() == [CHANGES, f"{LESSONS}/changelog"], "a quiet school costs two questions"
    roll_call_record(mis, "r2", "2025-09-10", "AM", "L")
    roll_call_record(mis, "r2", "2025-09-10", "AM", "N")
    roll_call_record(mis, "r5", "2025-09-10", "PM", "B")
    mis.drop("AttendanceRecord", "7")
    mis.drop(RECORD, "r1")
    (pulled,) = puller.pull()
    assert (pulled.marks, pulled.deletions) == (2, 2)
    *_, said, gone = read_topic(MIS, puller.urn)
    assert [(mark["record_id"], mark["code"]) for mark in said["marks"]] == [("r2", "N"), ("r5", "B")]
    assert gone["deletions"] == ["r1", "lesson:7"], "a lesson's record is not the roll call's of the same number"
    assert puller.asked().count(f"{RECORDS}/r2") == 1


def test_what_changes_while_everything_is_read_comes_with_the_next_pull(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    """A record changes after it was read and before the first pull has ended: its revision lies behind the place."""
    marks(mis, 6)
    seen: list[str] = []
    real = mis.answer

    def answer(path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        whole = real(path, query, headers)
        seen.append(path)
        if path == f"{RECORDS}/r5" and seen.count(f"{RECORDS}/r0") and not seen.count("changed"):
            seen.append("changed")
            roll_call_record(mis, "r0", "2025-09-10", "AM", "I")
        return whole

    mis.answer = answer  # type: ignore[method-assign]
    puller.pull()
    assert "changed" in seen
    puller.now += timedelta(minutes=1)
    puller.pull()
    said = [mark["code"] for page in read_topic(MIS, puller.urn) for mark in page["marks"] if mark["record_id"] == "r0"]
    assert said == ["/", "I"]


def test_a_changed_record_that_is_no_longer_there_is_told_as_deleted(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 2)
    puller.pull()
    roll_call_record(mis, "r1", "2025-09-10", "PM", "L")
    mis.before_object = [lambda: mis.drop(RECORD, "r1")]
    assert puller.pull()[0].deletions == 1
    assert read_topic(MIS, puller.urn)[-1]["deletions"] == ["r1"]


def test_a_change_log_that_cannot_be_read_leaves_the_place_where_it_was(mis: FakeArbor, puller: ArborPuller) -> None:
    marks(mis, 2)
    puller.pull()
    before = puller.state.load("school-a")
    roll_call_record(mis, "r0", "2025-09-10", "AM", "L")
    mis.trouble[CHANGES] = [Answer(200, {}, b'{"changes": [{"changeType": "update"}]}')] * 3
    puller.now += timedelta(minutes=1)
    assert puller.pull()[0].outcome == "incomplete"
    assert puller.state.load("school-a") == before
    assert puller.pull()[0].marks == 1


def test_a_school_that_shows_no_revisions_is_read_whole_every_time_and_check_says_so(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    mis.shows_revisions = False
    marks(mis, 1)
    puller.pull()
    puller.now += timedelta(minutes=1)
    roll_call_record(mis, "r0", "2025-09-10", "AM", "L")
    puller.pull()
    said = [mark["code"] for page in read_topic(MIS, puller.urn) for mark in page["marks"]]
    assert said == ["/", "L"]
    assert any("revisionId" in line for line in puller.check())


def test_the_first_pull_begins_where_it_is_told_to(mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic) -> None:
    marks(mis, 1)
    roll_call_record(mis, "old", "2025-07-10", "AM", "/")
    puller.options = {"first_day": "2025-09-01", "lessons": "no"}
    puller.pull()
    assert ids(read_topic(MIS, puller.urn)) == ["r0"]
    assert not any(path.startswith(LESSONS) for path in puller.asked())


# Schools, their hosts, and what is told of them


def test_each_school_is_asked_at_its_own_host(mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic) -> None:
    marks(mis, 1)
    puller.base_url = f"http://{{id}}:{mis.origin.rsplit(':', 1)[1]}/rest-v2/"
    puller.schools = [
        ("127.0.0.1", puller.urn + 500_000, "national"),
        ("localhost", puller.urn + 500_001, "national"),
    ]
    assert [pulled.outcome for pulled in puller.pull(Window(DAY, DAY))] == ["pulled", "pulled"]
    assert [ids(read_topic(MIS, urn)) for _, urn, _ in puller.schools] == [["r0"], ["r0"]]


def test_one_pace_is_kept_over_the_hosts_of_all_schools(mis: FakeArbor, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is slept is looked at: the fourth request of two schools waits for three others, not for one."""
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float, *rest: Any) -> Any:
        slept.append(seconds)
        return await real(0, *rest)

    async def ask() -> None:
        port = mis.origin.rsplit(":", 1)[1]
        client = ArborClient(f"http://{{id}}:{port}", patience=QUICK, a_second=0.01)
        schools = [client.school(host, SECRET) for host in ("127.0.0.1", "localhost")]
        await asyncio.gather(*(school.object("Student", "12") for school in schools * 2))
        await client.aclose()

    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(ask())
    assert [round(seconds, -2) for seconds in sorted(slept) if seconds > 50] == [100, 200, 300]


def test_schools_at_one_address_are_told_apart_by_their_id(mis: FakeArbor, puller: ArborPuller) -> None:
    mis.application = "school-a"
    puller.schools = [("school-a", puller.urn + 500_000, "national"), ("school-b", puller.urn + 500_001, "national")]
    assert [pulled.outcome for pulled in puller.pull(Window(DAY, DAY))] == ["pulled", "stopped"]


@pytest.mark.parametrize("school_id", ["a/b", "evil.example/x?", ""])
def test_an_id_that_is_no_host_is_refused(school_id: str) -> None:
    client = ArborClient("https://{id}.uk.arbor.sc")
    with pytest.raises(ConfigError, match="host"):
        client.school(school_id, SECRET)


def test_check_says_what_a_data_manager_can_act_on(mis: FakeArbor, puller: ArborPuller) -> None:
    roll_call_record(mis, "r0", "2025-09-10", "AM", "Q?")
    mis.hold("AttendanceRollCall", "2", name="Campus")
    strange, roll_calls = puller.check()
    assert "arbor:" in strange
    assert "code map" in strange
    assert "afternoon" in roll_calls
    puller.secret = "no colon"
    assert "user name and a password" in puller.check()[0]


def test_a_school_whose_students_we_may_not_read_is_told_by_check(mis: FakeArbor, puller: ArborPuller) -> None:
    mis.trouble["students"] = [Answer(200, {}, b"{}")]
    assert "may our application read Student" in puller.check()[0]


@pytest.mark.parametrize("options", [{"lessons": "maybe"}, {"registers": ""}, {"first_day": "1/9/2025"}])
def test_an_option_that_cannot_be_meant_is_refused_by_name(puller: ArborPuller, options: dict[str, str]) -> None:
    puller.options = options
    with pytest.raises(ConfigError, match=next(iter(options))):
        puller.pull()


# Rosters and timetables


def test_roster_register_times_and_terms_come_from_arbor(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    autumn = {"startDate": "2025-09-03", "endDate": "2025-12-19"}
    mis.hold("Term", "1", termName="Autumn", academicYear=Link("AcademicYear", "5"), **autumn)
    student(mis, "13")
    assert puller.pull(what="roster")[0].references == 3
    (roster,) = read_topic(ROSTER, puller.urn)
    assert [pupil["refs"][0]["ref"] for pupil in roster["pupils"]] == ["12", "13"]
    (timetable,) = read_topic("reference.register.v1", puller.urn)
    assert [(one["group_id"], one["session"], one["opens_at"]) for one in timetable["registers"]] == [
        ("7A", "AM", "08:40"),
        ("7A", "PM", "13:00"),
    ]
    (calendar,) = read_topic("reference.calendar.v1", puller.urn)
    assert [one["name"] for one in calendar["terms"]] == ["Autumn"]
    assert not any(word in json.dumps([roster, timetable, calendar], default=str) for word in ("nowhere", "2013-10"))


def test_a_school_may_keep_its_timetable_elsewhere(mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic) -> None:
    puller.options = {"registers": "no"}
    assert puller.pull(what="roster")[0].references == 1
    assert read_topic("reference.register.v1", puller.urn) == []


def test_a_roster_that_is_not_whole_does_not_replace_the_one_before(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 1)
    mis.trouble["registration-form-memberships/12"] = [Answer(200, {}, b"{")] * 6
    (pulled,) = puller.pull(what="all")
    assert (pulled.outcome, pulled.references, pulled.marks) == ("pulled", 0, 1)
    puller.now += timedelta(hours=1)
    puller.pull(what="all")
    assert len(read_topic(ROSTER, puller.urn)) == 1


def test_a_roster_needs_the_right_to_read_pupils_and_marks_go_on_without(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    marks(mis, 1)
    mis.trouble["academic-level-memberships"] = [Answer(200, {}, b"{}")]
    (pulled,) = puller.pull(what="all")
    assert (pulled.outcome, pulled.references, pulled.marks) == ("pulled", 0, 1)


def test_a_roster_read_again_by_the_same_process_asks_only_what_changed(
    mis: FakeArbor, puller: ArborPuller, read_topic: ReadTopic
) -> None:
    async def three_times(connector: ArborConnector) -> None:
        await puller.round(connector, what="roster")
        puller.asked()
        await puller.round(connector, what="roster")
        assert all(path.endswith("/changelog") or path.count("/") == 0 for path in puller.asked())
        mis.hold(
            "RegistrationFormMembership",
            "12",
            student=Link("Student", "12"),
            registrationForm=Link("RegistrationForm", "3"),
            startDate="2025-09-03",
            endDate="2025-09-30",
        )
        student(mis, "13")
        mis.drop("UkDfe_UpnAssignment", "12")
        await puller.round(connector, what="roster")

    mis.hold("UkDfe_UpnAssignment", "12", student=Link("Student", "12"), upn="A801200001001", endDatetime=None)
    puller.run(three_times)
    first, last = read_topic(ROSTER, puller.urn)
    assert [len(pupil["refs"]) for pupil in first["pupils"]] == [3]
    assert [len(pupil["refs"]) for pupil in last["pupils"]] == [2, 2]
    assert str(last["pupils"][0]["groups"][0]["last_day"]) == "2025-09-30"
