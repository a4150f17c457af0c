"""What leaves the edge: nothing that names a person, nothing lost, nothing changed; and that the judge would notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.estate.direct import MIS, REGISTER, poison, pull_pages
from connectors.estate.dirt import Dirt
from connectors.estate.estate import Acknowledged, Estate
from connectors.estate.judge import expect
from connectors.estate.judge_sent import judge_sent, judge_truth
from connectors.estate.marks import Arrival
from connectors.estate.messages import PupilRefs
from connectors.estate.topic_log import Decoded, Logged, decode, read_topics
from connectors.estate.wonde_shape import NEVER_IN_KAFKA
from rollcall.cli.scenarios.ground import sources_of
from rollcall.settings import Settings
from schemas import topics
from tests.estate.conftest import DAY


@pytest.fixture
def kafka(stack: Any, registered: dict[str, int]) -> dict[str, str]:
    """Brokers, with every topic of ours there."""
    from confluent_kafka.admin import AdminClient

    client = {"bootstrap.servers": str(stack.kafka)}
    topics.apply(AdminClient(client))
    return client


def test_nothing_that_names_a_person_reaches_kafka(
    kafka: dict[str, str], settings: Settings, tmp_path: Path, stack_home: Path
) -> None:
    estate = Estate.make(9, 4, 400, [DAY], replace(Dirt.default(), server_errors=0.0), ahead_of=DAY, feeds="wonde")
    for tick in estate.ticks:
        estate.advance(tick)
    with estate.serve() as server:
        sources = tmp_path / "sources.json"
        sources.write_text(json.dumps(sources_of(server)), encoding="utf-8")
        pull = ["pull", "--today", DAY.isoformat(), "--home", str(stack_home)]
        environment = {
            **os.environ,
            "WONDE_TOKEN": server.token,
            "ROLLCALL_CONNECTORS__SOURCES_FILE": str(sources),
        }
        done = subprocess.run(
            [sys.executable, "-m", "rollcall.cli", *pull], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    log = done.stdout + done.stderr
    urns = {str(school.urn).encode() for school in estate.schools}
    found = [one for one in read_topics(kafka, [MIS, "reference.roster.v1"]) if one.key in urns]
    assert {one.arrival.topic for one in found} == {MIS, "reference.roster.v1"}
    upns = [upn for school in estate.schools for upn in estate.upns(school)]
    for text in (*NEVER_IN_KAFKA, *upns):
        assert text not in log
        assert not any(text.encode() in (one.value or b"") for one in found), text[:8]


def test_poison_is_refused_by_the_reason_it_was_made_for(
    kafka: dict[str, str], stack: Any, estate: Estate, refs: PupilRefs
) -> None:
    from connectors.encoding import Encoder

    made = poison(estate, Encoder(str(stack.registry)))
    logged = [
        Logged(Arrival(one.topic, 0, offset, 1_800_000_000_000), one.key, one.value) for offset, one in enumerate(made)
    ]
    decoded = decode(logged, str(stack.registry))
    assert [record for (_, record), one in zip(decoded, made, strict=True) if one.whole] == [
        one.reason for one in made if one.whole
    ]
    _, verdict = expect(estate, decoded, refs)
    assert set(verdict.quarantined) == {one.reason for one in made if not one.whole}


def test_the_same_poison_put_on_the_topics_is_remembered(kafka: dict[str, str], stack: Any, estate: Estate) -> None:
    count = estate.put_poison(kafka, str(stack.registry))
    assert count == len(estate.poison)
    places = {(one.topic, one.partition, one.offset) for one in estate.poison}
    assert len(places) == count
    assert places <= {one.arrival[:3] for one in read_topics(kafka)}


def _topics(estate: Estate, refs: PupilRefs) -> Decoded:
    """What the topics hold when everything was sent, acknowledged and pulled."""
    decoded: Decoded = []

    def add(topic: str, urn: int, record: Mapping[str, Any]) -> int:
        offset = len(decoded)
        arrival = Arrival(topic, 0, offset, int(datetime.now(UTC).timestamp() * 1000))
        decoded.append((Logged(arrival, str(urn).encode(), b""), dict(record)))
        return offset

    for tick in estate.ticks:
        estate.advance(tick)
        for one in estate.script.submissions[tick]:
            one.stamp(datetime.now(UTC))
            offset = add(REGISTER, one.urn, one.record(refs))
            estate.acknowledged.append(Acknowledged(one, REGISTER, 0, offset))
        for urn, page in pull_pages(estate, tick, 200):
            add(MIS, urn, page)
    return decoded


def test_what_was_sent_and_served_is_found_on_the_topics(estate: Estate, refs: PupilRefs) -> None:
    decoded = _topics(estate, refs)
    assert judge_sent(estate, decoded, refs).equal
    expected, verdict = expect(estate, decoded, refs)
    assert judge_truth(estate, expected).equal
    assert verdict.marks == verdict.accepted + verdict.unchanged + verdict.quarantined.total()
    assert verdict.standing == len(estate.script.end)


def _places(decoded: Decoded, topic: str) -> list[int]:
    return [place for place, (message, _) in enumerate(decoded) if message.arrival.topic == topic]


def test_a_register_lost_after_its_acknowledgement_is_noticed(estate: Estate, refs: PupilRefs) -> None:
    decoded = _topics(estate, refs)
    del decoded[_places(decoded, REGISTER)[5]]
    assert judge_sent(estate, decoded, refs).lost == 1


def test_a_register_changed_on_its_way_is_noticed(estate: Estate, refs: PupilRefs) -> None:
    decoded = _topics(estate, refs)
    record = decoded[_places(decoded, REGISTER)[0]][1]
    assert isinstance(record, dict)
    record["marks"] = [{**record["marks"][0], "code": "B"}, *record["marks"][1:]]
    found = judge_sent(estate, decoded, refs)
    assert (found.lost, found.wrong) == (1, 1)


def test_a_page_the_connector_skipped_is_noticed(estate: Estate, refs: PupilRefs) -> None:
    decoded = _topics(estate, refs)
    place = next(at for at in _places(decoded, MIS) if len(decoded[at][1]["marks"]) > 20)  # type: ignore[index]
    skipped = decoded.pop(place)[1]
    assert isinstance(skipped, dict)
    assert judge_sent(estate, decoded, refs).lost > 0
    expected, _ = expect(estate, decoded, refs)
    assert not judge_truth(estate, expected).equal


def test_a_mark_the_server_never_served_is_noticed(estate: Estate, refs: PupilRefs) -> None:
    decoded = _topics(estate, refs)
    record = decoded[_places(decoded, MIS)[0]][1]
    assert isinstance(record, dict)
    record["marks"][0]["session"] = "PM"
    assert judge_sent(estate, decoded, refs).wrong == 1
