"""The alerts agent on real Kafka and ClickHouse: said once, and again under the same id after a restart."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest

from rollcall.domain.clock import session_opens
from sinks import alerts, reference
from streams.agents.alerts import TOPIC, AlertsAgent, alert_id
from tests.reference.conftest import applied, calendar, pupil, roster
from tests.reference.conftest import school as facts_of
from tests.streams.agents_at_work import at_work, await_that, written
from tests.streams.messages import DAY, mark, register
from tests.streams.rig import Rig
from tests.streams.test_kiosk_agent import timetable

_urns = itertools.count(760_001)
_NOON = session_opens(DAY, "12:00")


def school(rig: Rig) -> int:
    """A school with a timetable, a calendar and two pupils of 7A; no other test has it."""
    made = next(_urns)
    timetable(rig, made)
    groups = [{"group_id": "7A", "first_day": date(2024, 9, 1), "last_day": None}]
    pupils = [{**pupil(f"mis:P{number}"), "groups": groups} for number in (1, 2)]
    known = [
        applied("school", facts_of(made)),
        applied("calendar", calendar(made)),
        applied("roster", roster(made, *pupils)),
    ]
    reference.apply(rig.client, known)
    return made


@pytest.fixture
def urn(rig: Rig) -> int:
    return school(rig)


def agent(rig: Rig) -> AlertsAgent:
    return AlertsAgent(rig.settings, every_s=0.2, clock=lambda: _NOON)


def test_an_overdue_register_is_said_once_and_again_under_its_id_after_a_restart(rig: Rig, urn: int) -> None:
    for told in (1, 2):
        with at_work(rig.settings, agent(rig), "alerts"):
            await_that(lambda told=told: len(written(rig, TOPIC, urn)) >= told)  # type: ignore[misc]
            # What is overdue from now on is said after several more looks at what was said already.
            other = school(rig)
            await_that(lambda other=other: bool(written(rig, TOPIC, other)))  # type: ignore[misc]
        assert len(written(rig, TOPIC, urn)) == told
    first, again = written(rig, TOPIC, urn)
    assert first == again
    assert (first["kind"], first["session"], first["group_id"], first["found"]) == ("register_overdue", "AM", "7A", 2)
    assert first["window_to"] == session_opens(DAY, "09:15")


def test_a_register_that_came_is_said_no_more(rig: Rig, urn: int) -> None:
    with rig.worker():
        rig.done(register(mark("P1"), mark("P2"), urn=urn))
    assert [one for one in alerts.found(rig.client, _NOON) if one.urn == urn] == []


def test_the_id_is_a_function_of_kind_subject_and_window_not_of_numbers(rig: Rig, urn: int) -> None:
    (one,) = [one for one in alerts.found(rig.client, _NOON) if one.urn == urn]
    assert alert_id(one) == alert_id(one._replace(found=99, window_to=one.window_to + timedelta(minutes=5)))
    others = [one._replace(group_id="7B"), one._replace(session="PM"), one._replace(kind="source_silent")]
    assert len({alert_id(one), *map(alert_id, others)}) == 4
    surge = alerts.Found("quarantine_surge", urn, DAY, None, None, None, "bad_date", _NOON, _NOON, 30)
    assert alert_id(surge) != alert_id(surge._replace(window_from=_NOON + timedelta(hours=1)))
