"""The script against the reference model: two independent ways to the mark that must stand agree, whatever the dirt."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.estate.direct import MIS, REGISTER, pull_pages
from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.known import world_of
from connectors.estate.marks import Arrival
from connectors.estate.messages import PupilRefs
from connectors.estate.outcomes import ReferenceModel
from connectors.estate.reference import records
from connectors.estate.registers import FAR_OFF_YEAR
from rollcall.domain.findings import BIT, EXCEPTION_NAMES, QUARANTINE_NAMES
from schemas import load, wire


def _play(estate: Estate, refs: PupilRefs) -> ReferenceModel:
    """Everything said, in order, given to the model as if Kafka had kept it."""
    model = ReferenceModel(world_of(estate, refs))
    arrived = int(time.time() * 1000)
    offset = 0
    for tick in estate.ticks:
        estate.advance(tick)
        for submission in estate.script.submissions[tick]:
            submission.stamp(datetime.now(UTC))
            model.take(Arrival(REGISTER, 0, offset, arrived), submission.record(refs))
            offset += 1
        for _, page in pull_pages(estate, tick, 500):
            model.take(Arrival(MIS, 0, offset, arrived), page)
            offset += 1
    return model


@pytest.mark.parametrize("seed", range(4))
def test_what_must_stand_is_what_the_model_says(seed: int, refs: PupilRefs) -> None:
    estate = Estate.make(seed, 12, 4_000, [date(2025, 9, 10), date(2025, 9, 11)], Dirt.default())
    model = _play(estate, refs)
    current = {key: mark.raw_code for key, mark in model.current().items()}
    assert current == estate.script.end


def test_a_day_of_the_trust_shows_every_finding_the_marks_can_have(refs: PupilRefs) -> None:
    model = _play(Estate.make(1, dirt=Dirt.default()), refs)
    reasons = {one.reason for one in model.outcomes.values()} - {""}
    found = {name for name in EXCEPTION_NAMES if any(one.exceptions & BIT[name] for one in model.outcomes.values())}
    in_sql = {"submission_id_reused", "more_marks_than_roll", "dual_registration"}
    assert found == set(EXCEPTION_NAMES) - in_sql - {"ambiguous_time", "school_not_open"}
    # The others need a message of poison, or a date no calendar type holds.
    poison = {"no_value", "undecodable", "unknown_schema", "key_mismatch", "unknown_school", "bad_session"}
    assert reasons == set(QUARANTINE_NAMES) - poison - {
        "bad_date", "no_expected_register", "bad_replay", "not_to_be_applied",
    }  # fmt: skip
    assert {one.outcome for one in model.outcomes.values()} == {"accepted", "unchanged", "quarantined"}
    assert any(one.superseded for one in model.outcomes.values())


def test_a_sender_whose_clock_is_ahead_is_stamped_once(estate: Estate) -> None:
    one, now = estate.script.submissions[0][0], datetime(2026, 1, 1, 12, tzinfo=UTC)
    one.ahead = timedelta(hours=3)
    one.stamp(now)
    one.stamp(now.replace(hour=20))
    assert one.submitted_at == datetime(2026, 1, 1, 15, tzinfo=UTC)


def test_every_message_fits_its_schema(estate: Estate, refs: PupilRefs) -> None:
    for tick in estate.ticks:
        estate.advance(tick)
        for submission in estate.script.submissions[tick]:
            record = submission.record(refs)
            assert wire.decode(load(REGISTER), wire.encode(load(REGISTER), 1, record)) == record
        for _, page in pull_pages(estate, tick, 100):
            assert wire.decode(load(MIS), wire.encode(load(MIS), 1, page)) == page
    for one in records(estate, refs, pulled_rosters=True):
        wire.encode(load(one.topic), 1, one.value)


def test_reference_data_covers_every_pupil_and_date_that_is_marked(estate: Estate, refs: PupilRefs) -> None:
    published = list(records(estate, refs, pulled_rosters=True))
    rosters = {one.value["urn"]: one.value for one in published if one.topic == "reference.roster.v1"}
    assert {urn: len(value["pupils"]) for urn, value in rosters.items()} == {
        school.urn: school.pupils for school in estate.schools
    }
    versions = [one.value["version"] for one in published if one.topic == "reference.code-map.v1"]
    assert versions == list(range(1, len(versions) + 1))
    dates = {one.session_date for tick in estate.script.submissions for one in tick}
    assert all(estate.calendar.loaded(day) or day.year == FAR_OFF_YEAR for day in dates)
    # Pulled schools' rosters come through their connector.
    own = {one.key for one in records(estate, refs) if one.topic == "reference.roster.v1"}
    assert own == {str(school.urn) for school in estate.schools if not school.pulled}
