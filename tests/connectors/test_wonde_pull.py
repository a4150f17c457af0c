"""Pulls from a real HTTP server to real Kafka: what is published, and what is remembered."""

from __future__ import annotations

import asyncio
import json
from datetime import date, timedelta

import pytest

from connectors.access import Access
from connectors.contract import Source, Window
from connectors.pupils import UpnKey
from connectors.wonde.client import WondeClient
from connectors.wonde.connector import WondeConnector
from tests.connectors.conftest import ReadTopic
from tests.connectors.mis import TOKEN, FakeWonde, Trouble, mark, student
from tests.connectors.puller import DELETIONS, LESSONS, MIS, QUICK, ROSTER, SESSIONS, Puller, ids


def test_a_pull_publishes_every_page_with_its_place(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held[SESSIONS] = [mark(number) for number in range(5)]
    (pulled,) = puller.pull()
    assert (pulled.outcome, pulled.pages, pulled.marks, pulled.references) == ("pulled", 3, 5, 1)
    pages = read_topic(MIS, puller.urn)
    assert ids(pages) == [mark(number)["id"] for number in range(5)]
    assert [(page["page"], page["last_page"]) for page in pages] == [(0, False), (1, False), (2, True)]
    assert {(page["pull_id"], page["taken_at"], page["complete"]) for page in pages} == {
        ("wonde:A1:20250910T083000.000Z", puller.now, False)
    }
    assert {(page["source"], page["code_scheme"], page["urn"]) for page in pages} == {("wonde", "national", puller.urn)}


@pytest.mark.parametrize("day", ["2025-09-10", "2025-11-03"])
def test_rule_8_midnight_in_london_reaches_kafka_as_the_day_it_says(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic, day: str
) -> None:
    mis.held[SESSIONS] = [mark(1, day)]
    puller.pull()
    assert str(read_topic(MIS, puller.urn)[0]["marks"][0]["session_date"]) == day


def test_the_next_pull_asks_for_what_changed_with_an_overlap(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    began = puller.now
    mis.held[SESSIONS] = [mark(1, _changed=began - timedelta(hours=1)), mark(2, _changed=began - timedelta(minutes=1))]
    puller.pull()
    assert puller.cursor() == began
    puller.now = began + timedelta(hours=1)
    mis.held[SESSIONS].append(mark(3, _changed=began + timedelta(minutes=30)))
    puller.pull()
    assert mis.queries(SESSIONS)[-1]["updated_after"] == "2025-09-10T08:28:00Z"
    assert ids(read_topic(MIS, puller.urn)) == ["A900001", "A900002", "A900002", "A900003"]


def test_nothing_new_publishes_nothing_and_moves_the_cursor(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    puller.pull()
    assert read_topic(MIS, puller.urn) == []
    assert puller.cursor() == puller.now


def test_a_repeat_at_a_page_boundary_is_passed_on_as_it_is(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    """Telling repeats apart is the worker's work; here none is lost and none is taken for another."""
    mis.held[SESSIONS] = [mark(number) for number in range(4)]
    mis.repeat_at_boundaries = True
    puller.pull()
    assert ids(read_topic(MIS, puller.urn)) == ["A900000", "A900001", "A900001", "A900002", "A900003"]


def test_lessons_and_deletions_follow_the_sessions(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held[SESSIONS] = [mark(1)]
    mis.held[LESSONS] = [mark(2, period="A8", lesson="A6")]
    mis.held["A1/periods"] = [{"id": "A8", "name": "P1"}]
    mis.held[DELETIONS] = [{"id": "A900000", "type": "attendance/session"}, {"id": "B1", "type": "behaviour"}]
    (pulled,) = puller.pull()
    assert (pulled.marks, pulled.deletions) == (2, 1)
    sessions, lessons, deletions = read_topic(MIS, puller.urn)
    assert sessions["marks"][0]["period"] is None
    assert lessons["marks"][0]["period"] == "P1"
    assert (deletions["deletions"], deletions["marks"], deletions["last_page"]) == (["A900000"], [], True)


def test_a_window_is_complete_and_leaves_the_cursor_alone(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    """The server here ignores the dates it is asked for, as some do: the window is kept all the same."""
    mis.held[SESSIONS] = [mark(1, "2025-09-09"), mark(2, "2025-09-10"), mark(3, "2025-09-12")]
    puller.pull(window=Window(date(2025, 9, 10), date(2025, 9, 11)), what="marks")
    (page,) = read_topic(MIS, puller.urn)
    assert ids([page]) == ["A900002"]
    assert page["complete"]
    assert page["last_page"]
    assert (str(page["window_from"]), str(page["window_to"])) == ("2025-09-10", "2025-09-11")
    assert puller.cursor() is None
    assert {"date_from": "2025-09-10", "date_to": "2025-09-11"}.items() <= mis.queries(SESSIONS)[0].items()


def test_an_empty_window_is_news(puller: Puller, read_topic: ReadTopic) -> None:
    puller.pull(window=Window(date(2025, 9, 10), date(2025, 9, 10)))
    (page,) = read_topic(MIS, puller.urn)
    assert (page["marks"], page["complete"], page["last_page"]) == ([], True, True)


def test_a_roster_is_published_when_it_changes_and_not_otherwise(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    puller.pull()
    puller.now += timedelta(hours=1)
    puller.pull()
    assert len(read_topic(ROSTER, puller.urn)) == 1
    mis.held["A1/students-pre-admission"] = [student(7)]
    puller.pull()
    first, second = read_topic(ROSTER, puller.urn)
    assert (len(first["pupils"]), len(second["pupils"])) == (3, 4)
    assert second["pupils"][3]["enrolments"][0]["status"] == "pre-admission"


def test_a_roster_that_is_not_whole_does_not_replace_the_one_before(
    mis: FakeWonde, puller: Puller, read_topic: ReadTopic
) -> None:
    mis.held[SESSIONS] = [mark(1)]
    mis.trouble["A1/students"] = [Trouble(200, {}, b"{"), Trouble(200, {}, b"{"), Trouble(200, {}, b"{")]
    (pulled,) = puller.pull()
    assert (pulled.references, pulled.marks) == (0, 1)
    assert read_topic(ROSTER, puller.urn) == []
    puller.pull()
    assert len(read_topic(ROSTER, puller.urn)) == 1


def test_an_empty_school_is_a_source_not_yet_filled(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held["A1/students"] = []
    assert puller.pull()[0].references == 0
    assert read_topic(ROSTER, puller.urn) == []


def test_codes_are_joined_within_the_school(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    """The same id is another code at the next school."""
    puller.schools = [("A1", puller.urn + 300_000, "local"), ("A2", puller.urn + 300_001, "national")]
    mis.held["A2/attendance-codes"] = [{"id": "C/", "code": "9"}]
    mis.held[SESSIONS] = mis.held["A2/attendance/session"] = [mark(1)]
    puller.pull(what="marks")
    (first,), (second,) = (read_topic(MIS, urn) for _, urn, _ in puller.schools)
    assert (first["marks"][0]["code"], second["marks"][0]["code"]) == ("/", "9")
    assert (first["code_scheme"], second["code_scheme"]) == (f"wonde:{puller.schools[0][1]}", "national")


def test_no_name_and_no_comment_is_in_any_message(mis: FakeWonde, puller: Puller, read_topic: ReadTopic) -> None:
    mis.held[SESSIONS] = [mark(1)]
    puller.pull()
    said = json.dumps([read_topic(MIS, puller.urn), read_topic(ROSTER, puller.urn)], default=str)
    assert "A900001" in said
    assert not any(word in said for word in ("Remark", "nowhere", "2013-10-01"))


def test_schools_come_from_wonde_where_the_configuration_names_none(mis: FakeWonde) -> None:
    async def discover() -> list[Source]:
        client = WondeClient(mis.url, patience=QUICK)
        try:
            connector = WondeConnector(Access.of("wonde", mis.url, TOKEN, []), client, UpnKey(b"k" * 32, "k1"))
            return list(await connector.discover())
        finally:
            await client.aclose()

    mis.held[""] = mis.held["/v1.0/schools"] = [{"id": "A1", "urn": 100_001}, {"id": "A2", "urn": None}]
    assert [(source.id, source.urn) for source in asyncio.run(discover())] == [("A1", 100_001)]
