"""What leaves the edge: nothing that names a person, nothing lost, nothing changed; and that the judge would notice."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.access import Access
from connectors.contract import Window
from connectors.encoding import Encoder
from connectors.estate.direct import MIS, REGISTER, poison, pull_pages
from connectors.estate.dirt import Dirt
from connectors.estate.estate import Acknowledged, Estate
from connectors.estate.judge import expect
from connectors.estate.judge_sent import judge_sent, judge_truth
from connectors.estate.makes import MAKES
from connectors.estate.marks import Arrival
from connectors.estate.messages import PupilRefs
from connectors.estate.reference import roster
from connectors.estate.server import NEVER_IN_KAFKA
from connectors.estate.topic_log import Decoded, Logged, decode, read_topics
from connectors.http import Patience
from connectors.makes import MAKES as CONNECTORS
from connectors.makes import Surroundings
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from connectors.refused import RefusedFolder
from connectors.runner import Runner
from connectors.state import StateFolder
from rollcall.cli.scenarios.ground import sources_of
from rollcall.settings import Settings
from schemas import load, topics, wire
from tests.estate.conftest import DAY

ROSTER = "reference.roster.v1"


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
    with estate.serve() as servers:
        sources = tmp_path / "sources.json"
        sources.write_text(json.dumps(sources_of(estate, servers)), encoding="utf-8")
        pull = ["pull", "--today", DAY.isoformat(), "--home", str(stack_home)]
        environment = {
            **os.environ,
            "ESTATE_TOKEN": servers.wonde.token,
            "ROLLCALL_CONNECTORS__SOURCES_FILE": str(sources),
        }
        done = subprocess.run(
            [sys.executable, "-m", "rollcall.cli", *pull], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    _nobody_is_named(kafka, estate, done.stdout + done.stderr)


@pytest.mark.parametrize("make", sorted(MAKES))
def test_what_a_connector_pulls_is_what_its_server_served_and_names_nobody(
    kafka: dict[str, str],
    stack: Any,
    refs: PupilRefs,
    tmp_path: Path,
    make: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connector of each make against the estate's server of that make with all its dirt, a pull after each tick."""
    estate = Estate.make(9, 3, 900, [DAY], Dirt.default(), ahead_of=DAY, feeds=make)
    # URNs of its own: other tests leave messages of the estate's first schools on the same topics.
    apart = 20_000 * (1 + list(MAKES).index(make))
    estate.schools[:] = [replace(school, urn=school.urn + apart) for school in estate.schools]
    with estate.serve() as servers:
        (source,) = estate.sources(servers)
        asyncio.run(
            _pull_all_ticks(estate, source, servers[make].token, kafka, str(stack.registry), tmp_path, monkeypatch)
        )
    found = [one for one in read_topics(kafka, [MIS]) if int(one.key or 0) in estate.by_urn]
    decoded = decode(found, str(stack.registry))
    assert judge_sent(estate, decoded, refs).equal
    expected, _ = expect(estate, decoded, refs)
    assert judge_truth(estate, expected).equal
    rosters = {int(one.key or 0): one.value for one in read_topics(kafka, [ROSTER])}
    for school in estate.schools:
        pulled = wire.decode(load(ROSTER), rosters[school.urn] or b"")
        assert _listed(pulled) == _listed(roster(estate, school, refs, datetime.now(UTC)))
    log = capfd.readouterr()
    _nobody_is_named(kafka, estate, log.out + log.err)


def _listed(record: Mapping[str, Any]) -> dict[Any, Any]:
    """A roster by all references of each pupil. Statuses aside: Wonde lists who comes later among its students too."""
    return {
        frozenset((ref["scheme"], ref["ref"]) for ref in pupil["refs"]): (
            pupil["age_31_august"],
            pupil["groups"],
            [{name: value for name, value in one.items() if name != "status"} for one in pupil["enrolments"]],
        )
        for pupil in record["pupils"]
    }


async def _pull_all_ticks(
    estate: Estate,
    source: dict[str, Any],
    secret: str,
    kafka: dict[str, str],
    registry: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schools = [(one["id"], one["urn"], one["code_scheme"]) for one in source["schools"]]
    options = {**source["options"], **({"quiet_seconds": "0"} if "quiet_seconds" in source["options"] else {})}
    access = Access.of(source["name"], source["base_url"], secret, schools, requests_a_second=10_000, options=options)
    around = Surroundings(UpnKey(b"a key that is only used in tests", "k1"), today=DAY)
    monkeypatch.setattr("connectors.makes._patience", lambda _: Patience(first_seconds=0.01, longest_seconds=0.02))
    with Publisher(kafka) as publisher:
        async with CONNECTORS[source["make"]].open(access, around) as connector:
            states, refused = StateFolder(folder / "state"), RefusedFolder(folder / "refused")
            runner = Runner(connector, publisher, Encoder(registry), states, refused, overlap=timedelta(0))
            for tick in estate.ticks:
                estate.advance(tick)
                assert {pulled.outcome for pulled in await runner.round(await connector.discover())} == {"pulled"}
                if not connector.sends_deletions and source["make"] != "csvdrop":
                    # Nothing else tells what is gone (rule 18); a CSV drop's whole exports are pulled as they come.
                    whole = await runner.round(await connector.discover(), window=Window(DAY, DAY))
                    assert {pulled.outcome for pulled in whole} == {"pulled"}


def _nobody_is_named(kafka: dict[str, str], estate: Estate, log: str) -> None:
    """No name, no comment and no UPN is in a log or on a topic; and there are marks and rosters to look at."""
    urns = {str(school.urn).encode() for school in estate.schools}
    found = [one for one in read_topics(kafka, [MIS, ROSTER]) if one.key in urns]
    assert {one.arrival.topic for one in found} == {MIS, ROSTER}
    upns = [upn for school in estate.schools for upn in estate.upns(school)]
    for text in (*NEVER_IN_KAFKA, *upns):
        assert text not in log
        assert not any(text.encode() in (one.value or b"") for one in found), text[:8]


def test_poison_is_refused_by_the_reason_it_was_made_for(
    kafka: dict[str, str], stack: Any, estate: Estate, refs: PupilRefs
) -> None:
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


@pytest.mark.parametrize("change", [{"modified_at": None}, {"modified_at": datetime(2020, 1, 1, tzinfo=UTC)}])
def test_a_modified_time_that_was_not_shown_is_noticed(
    estate: Estate, refs: PupilRefs, change: dict[str, datetime | None]
) -> None:
    decoded = _topics(estate, refs)
    pages = (record for _, record in decoded if isinstance(record, dict) and record["source"] == "odata")
    next(page for page in pages if page["marks"])["marks"][0].update(change)
    assert judge_sent(estate, decoded, refs).wrong == 1
