"""The kiosk agent on real Kafka and ClickHouse: what it writes of each event, and that it never forgets one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from rollcall.domain.clock import session_opens
from rollcall.errors import ClickHouseError
from sinks import reference
from streams.agents.kiosk import TOPIC, KioskAgent
from streams.frames import EVIDENCE
from tests.reference.conftest import TAKEN, applied, pupil, roster
from tests.streams.agents_at_work import at_work, await_that, facts, send, sign, written
from tests.streams.door import Door
from tests.streams.rig import Rig

#: A Wednesday of summer time, and one of winter time.
SUMMER, WINTER = date(2025, 9, 10), date(2025, 11, 5)
_urns = itertools.count(740_001)


@pytest.fixture
def urn(rig: Rig) -> int:
    """A school with a timetable that no other test uses."""
    made = next(_urns)
    timetable(rig, made)
    return made


def timetable(rig: Rig, urn: int, am_closes: str = "09:15", **facts: Any) -> None:
    """Publish, straight to the tables, when the school's registers open and close."""
    times = {"AM": ("08:50", am_closes), "PM": ("13:00", "13:20")}
    registers = [
        {
            "group_id": group, "session": session, "period": None, "opens_at": opens, "closes_at": closes,
            "weekdays": [1, 2, 3, 4, 5], "valid_from": date(2025, 9, 1), "valid_to": None,
        }
        for group in ("7A", "7B")
        for session, (opens, closes) in times.items()
    ]  # fmt: skip
    record = {"urn": urn, "source": "test", "taken_at": TAKEN, "registers": registers, **facts}
    reference.apply(rig.client, [applied("register", record)])


@pytest.fixture
def group(rig: Rig) -> str:
    return f"kiosk-{rig.group}"


def said(rig: Rig, urn: int) -> list[tuple[Any, ...]]:
    """Pupil, date, session, code, minutes late of each piece of evidence, in order."""
    return [
        (mark["pupil_ref"], one["session_date"], one["session"], mark["code"], mark["minutes_late"])
        for one in written(rig, EVIDENCE, urn)
        for mark in one["marks"]
    ]


def test_sign_ins_become_evidence_and_every_event_is_kept(rig: Rig, group: str, urn: int) -> None:
    events = [
        sign(urn, f"P{number}", session_opens(day, time), direction)
        for day in (SUMMER, WINTER)
        for number, (time, direction) in enumerate(
            [("08:40", "in"), ("09:00", "in"), ("09:20", "in"), ("12:10", "out"), ("12:50", "in"), ("13:05", "in")]
        )
    ]
    with at_work(rig.settings, KioskAgent(rig.settings), group):
        send(rig, *events)
        await_that(lambda: len(facts(rig, urn)) == len(events))
    assert said(rig, urn) == [
        (ref, day, session, code, late)
        for day in (SUMMER, WINTER)
        for ref, session, code, late in [
            ("P0", "AM", "/", None), ("P1", "AM", "L", 10), ("P2", "AM", "U", 30),
            ("P4", "PM", "\\", None), ("P5", "PM", "L", 5),
        ]
    ]  # fmt: skip
    assert [is_evidence for _, _, is_evidence in facts(rig, urn)] == [True, True, True, False, True, True] * 2
    first = written(rig, EVIDENCE, urn)[0]
    assert (first["source"], first["complete"], first["code_scheme"]) == ("front-desk", False, "national")
    assert (first["opened_at"], first["closed_at"]) == (session_opens(SUMMER, "08:50"), session_opens(SUMMER, "09:15"))
    assert first["submitted_at"] == session_opens(SUMMER, "08:40")


def test_whom_only_the_kiosk_knows_is_a_pupil_if_a_roster_says_so(rig: Rig, group: str, urn: int) -> None:
    """A visitor is a fact and no evidence; somebody named as a pupil is evidence, for the worker to judge."""
    reference.apply(rig.client, [applied("roster", roster(urn, pupil("mis:P1", "kiosk:front-desk:badge-1")))])
    known = rig.client.query(f"SELECT scheme, ref FROM crosswalk WHERE urn = {urn} ORDER BY scheme").result_rows
    scheme, ref = known[0]
    morning = session_opens(SUMMER, "09:00")
    events = [
        sign(urn, str(ref), morning, scheme=str(scheme)),
        sign(urn, "visitor-88", morning + timedelta(minutes=1), scheme=str(scheme)),
        sign(urn, "NOBODY", morning + timedelta(minutes=2)),
    ]
    with at_work(rig.settings, KioskAgent(rig.settings), group):
        send(rig, *events)
        await_that(lambda: len(facts(rig, urn)) == 3)
    assert [one[0] for one in said(rig, urn)] == [ref, "NOBODY"]
    assert [is_evidence for *_, is_evidence in facts(rig, urn)] == [True, False, True]


def test_a_school_or_a_day_without_a_timetable_gives_facts_only(rig: Rig, group: str) -> None:
    """The second signs in on a Saturday."""
    stranger, urn = next(_urns), next(_urns)
    timetable(rig, urn)
    with at_work(rig.settings, KioskAgent(rig.settings), group):
        nine = session_opens(SUMMER, "09:00")
        send(rig, sign(stranger, "P1", nine), sign(urn, "P1", nine + timedelta(days=3)))
        await_that(lambda: len(facts(rig, stranger)) == len(facts(rig, urn)) == 1)
    assert said(rig, stranger) == said(rig, urn) == []


def test_a_new_timetable_is_used_without_a_restart(rig: Rig, group: str, urn: int) -> None:
    twenty_past = session_opens(SUMMER, "09:20")
    with at_work(rig.settings, KioskAgent(rig.settings), group):
        send(rig, sign(urn, "P1", twenty_past))
        await_that(lambda: len(said(rig, urn)) == 1)
        timetable(rig, urn, am_closes="09:30", taken_at=TAKEN + timedelta(days=1))
        numbers = itertools.count(2)

        def late_now() -> bool:
            send(rig, sign(urn, f"P{next(numbers)}", twenty_past))
            return said(rig, urn)[-1][3] == "L"

        await_that(late_now)
    assert said(rig, urn)[0][3:] == ("U", 30)


def test_what_cannot_be_read_is_kept_with_its_bytes_and_the_rest_goes_on(rig: Rig, group: str, urn: int) -> None:
    key, good = str(urn).encode(), sign(urn, "P1", session_opens(SUMMER, "09:00"))
    with at_work(rig.settings, KioskAgent(rig.settings), group):
        places = rig.send_raw(
            (TOPIC, key, b"\0\0\0\0\1 no event"), (TOPIC, key, None), (TOPIC, key, b"{}"),
            (TOPIC, key, b"\0\x7f\xff\xff\xf0event"),
        )  # fmt: skip
        send(rig, good)
        await_that(lambda: len(facts(rig, urn)) == 1)
    offsets = [place.offset for place in places]
    kept = dict(
        rig.client.query(
            f"SELECT offset, reason FROM quarantine FINAL WHERE topic = '{TOPIC}' AND partition = {places[0].partition}"
        ).result_rows
    )
    assert [kept[offset] for offset in offsets] == ["unknown_schema", "no_value", "undecodable", "unknown_schema"]
    ((value,),) = rig.client.query(
        f"SELECT value FROM quarantine_message FINAL WHERE topic = '{TOPIC}' AND partition = {places[0].partition}"
        f" AND offset = {offsets[2]}"
    ).result_rows
    assert value in ("{}", b"{}")
    assert [one[0] for one in said(rig, urn)] == ["P1"]


def test_the_same_event_again_has_the_same_ids_whoever_reads_it(rig: Rig, group: str, urn: int) -> None:
    one = sign(urn, "P1", session_opens(SUMMER, "09:20"))
    for member in (group, f"{group}-again"):
        with at_work(rig.settings, KioskAgent(rig.settings), member):
            before = len(written(rig, EVIDENCE, urn))
            send(rig, one)
            await_that(lambda before=before: len(written(rig, EVIDENCE, urn)) > before)  # type: ignore[misc]
    copies = written(rig, EVIDENCE, urn)
    assert len(copies) >= 2
    assert all(copy == copies[0] for copy in copies)
    assert len(facts(rig, urn)) == 1


def test_a_batch_that_could_not_be_kept_is_not_committed(rig: Rig, group: str, urn: int) -> None:
    """Faust marks what a failed handler held as done unless it is kept from it: the next agent would never see it."""

    def ends() -> None:
        with at_work(rig.settings, KioskAgent(rig.settings), group) as harness:
            send(rig, sign(urn, "P1", session_opens(SUMMER, "09:20")))
            await_that(lambda: harness.stopping)

    rig.client.command("RENAME TABLE kiosk_event TO kiosk_event_away")
    with pytest.raises(ClickHouseError, match="kiosk_event"):
        ends()
    rig.client.command("RENAME TABLE kiosk_event_away TO kiosk_event")
    with at_work(rig.settings, KioskAgent(rig.settings), group):
        await_that(lambda: len(facts(rig, urn)) == 1)
    assert {one[0] for one in said(rig, urn)} == {"P1"}


@pytest.fixture
def door(rig: Rig) -> Iterator[Door]:
    made = Door(rig.settings.clickhouse.host, rig.settings.clickhouse.port)
    yield made
    made.shut()


def test_clickhouse_away_is_waited_for_and_nothing_is_forgotten(rig: Rig, group: str, urn: int, door: Door) -> None:
    settings = rig.settings_through(door.port)
    with at_work(settings, KioskAgent(settings), group) as harness:
        send(rig, sign(urn, "P1", session_opens(SUMMER, "09:20")))
        await_that(lambda: "clickhouse" in harness.not_ready())
        door.open()
        await_that(lambda: len(facts(rig, urn)) == 1)
        await_that(lambda: harness.not_ready() == {})
    assert {one[0] for one in said(rig, urn)} == {"P1"}
