"""All sources of a file, pulled side by side from real HTTP servers to real Kafka: who stops whom, and when."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors import checking, code_maps, pulling, source_pulls
from connectors.access import Access
from connectors.contract import Window
from connectors.encoding import Encoder
from connectors.files import Claim
from connectors.makes import MAKES, Make, Surroundings
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from connectors.source_pulls import Parts, Plan, Round, SourcePulls, backfill_runs, state_of
from connectors.sources_file import SourcesFile
from rollcall.domain.codes import MapEntry
from rollcall.settings import Settings
from tests.connectors.conftest import ReadTopic, wait_until
from tests.connectors.installation import MARKS, command, define, environment, outcomes, pull, when_asked, words
from tests.connectors.mis import FakeWonde, Trouble, mark, student
from tests.connectors.puller import CODES, MIS, ROSTER, SESSIONS, ids

NOW = datetime(2025, 9, 10, 9, 0, tzinfo=UTC)


@pytest.fixture
def parts(here: Settings, file: SourcesFile, publisher: Publisher, encoder: Encoder, upn_key: UpnKey) -> Parts:
    return Parts(here, file, publisher, encoder, upn_key)


# ---- side by side


def test_one_source_that_refuses_and_one_without_a_secret_hold_up_none_of_the_others(
    here: Settings, file: SourcesFile, mis: FakeWonde, other_mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    mis.held[SESSIONS] = [mark(1)]
    define(file, "good", mis, ("A1", urn))
    define(file, "refusing", other_mis, ("A1", urn + 500_000), secret="env:BAD_TOKEN")
    define(file, "keyless", other_mis, ("A1", urn + 500_001), secret="env:NOWHERE")
    done = pull(here)
    assert done["good"].whole
    assert outcomes(done["refusing"]) == [("A1", "stopped", 0)]
    assert outcomes(done["keyless"]) == [("A1", "failed", 0)]
    assert done["keyless"].pulled[0].why == "the secret env:NOWHERE is empty"
    assert [(page["source"], ids([page])) for page in read_topic(MIS, urn)] == [("good", ["A900001"])]
    assert state_of(here, "good").load("A1").cursor is not None
    assert "401" in (state_of(here, "refusing").load("A1").stopped or "")


def test_the_command_says_of_each_school_of_each_source_what_became_of_it(
    here: Settings, file: SourcesFile, stack: Any, mis: FakeWonde, other_mis: FakeWonde, urn: int
) -> None:
    mis.held[SESSIONS] = [mark(1)]
    define(file, "good", mis, ("A1", urn), ("A2", urn + 500_000))
    define(file, "refusing", other_mis, ("A1", urn + 500_001), secret="env:BAD_TOKEN")
    file.revoke("good", "A2", None, "left the trust", NOW)
    done = command(here, "pull", "--json", "--what", "marks")
    rows = json.loads(done.stdout)
    assert [(row["source"], row["school"], row["outcome"]) for row in rows] == [
        ("good", "A1", "pulled"),
        ("refusing", "A1", "stopped"),
    ]
    assert done.returncode == 1
    assert command(here, "pull", "--source", "good", "--what", "marks").returncode == 0
    unknown = command(here, "pull", "--source", "nobody")
    assert (unknown.returncode, unknown.stderr.strip()[-52:]) == (
        2,
        "no source is called nobody; there are good, refusing",
    )


def test_a_source_is_taken_up_changed_and_let_go_between_rounds(
    here: Settings, file: SourcesFile, mis: FakeWonde, other_mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    """One process goes on; the file changes under it. A round with a broken file tells why and ends nothing."""
    define(file, "first", mis, ("A1", urn))
    rounds: list[Round] = []

    async def until(true: Callable[[], bool]) -> None:
        await asyncio.to_thread(wait_until, true)

    async def play() -> None:
        pulls = asyncio.create_task(pulling.run(here, MARKS, every=0.05, finished=rounds.append))
        await until(lambda: any(one.name == "first" and one.whole for one in rounds))
        define(file, "second", other_mis, ("A1", urn + 500_000))
        await until(lambda: any(one.name == "second" and one.whole for one in rounds))
        define(file, "second", other_mis, ("A1", urn + 500_001))
        # One round may have begun before the change. Topics are read when all is over: what others left there is much.
        before = len(rounds)
        await until(lambda: sum(one.name == "second" and one.whole for one in rounds[before:]) >= 2)
        good = file.path.read_text()
        file.path.write_text("{")
        await until(lambda: "is not JSON" in rounds[-1].why)
        only_first = {"sources": [one for one in json.loads(good)["sources"] if one["name"] == "first"]}
        file.path.write_text(json.dumps(only_first))
        await until(lambda: all(one.name == "first" and one.whole for one in rounds[-20:]))
        pulls.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pulls

    asyncio.run(play())
    assert [page["urn"] for page in read_topic(MIS, urn + 500_000)] == [urn + 500_000]
    assert read_topic(MIS, urn + 500_001)


def test_a_service_that_is_told_to_stop_leaves_with_0_and_no_traceback(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    define(file, "wonde", mis, ("A1", urn))
    pulls = [*words(here, "pull", "--every", "1", "--json", "--what", "marks")]
    with subprocess.Popen(
        pulls, env=environment(here), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        (row,) = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert (row["source"], row["outcome"], process.returncode) == ("wonde", "pulled", 0)
    assert "Traceback" not in errors


@pytest.mark.parametrize("name", sorted(MAKES))
def test_a_make_is_registered_under_its_own_name(name: str, upn_key: UpnKey) -> None:
    async def made() -> tuple[str, str]:
        address = "https://api.example" if MAKES[name].needs_secret else "file:/srv/exports"
        access = Access.of("ours", address, "t", [("A1", 100_001, "national")])
        async with MAKES[name].open(access, Surroundings(upn_key)) as connector:
            return connector.make, connector.name

    assert asyncio.run(made()) == (name, "ours")


def test_only_one_process_moves_the_cursors_of_a_source(
    parts: Parts, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    define(file, "wonde", mis, ("A1", urn))
    window = Plan(what="marks", window=Window(date(2025, 9, 10), date(2025, 9, 10)))

    async def play() -> tuple[Round, Round, Round]:
        first, second, beside = (SourcePulls("wonde", parts, plan) for plan in (MARKS, MARKS, window))
        try:
            return await first.round(), await second.round(), await beside.round()
        finally:
            for one in (first, second, beside):
                await one.close()

    first, second, beside = asyncio.run(play())
    assert first.whole
    assert "another process pulls wonde already" in second.why
    assert beside.whole


def test_a_window_beside_leaves_the_cursor_where_the_pull_put_it_meanwhile(
    here: Settings, parts: Parts, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    define(file, "wonde", mis, ("A1", urn))
    window = Plan(window=Window(date(2025, 9, 10), date(2025, 9, 10)))

    def live() -> None:
        assert pull(here)["wonde"].whole

    with when_asked(mis, "A1/students-leaver", 1, live):
        assert pull(here, window)["wonde"].whole
    state = state_of(here, "wonde").load("A1")
    assert state.cursor is not None
    assert list(state.published) == [f"{ROSTER}|{urn}"]


# ---- dates: a new MIS replaces the old one on a day


def test_rule_10_the_old_mis_is_pulled_until_the_day_and_the_new_one_from_the_day(
    here: Settings, file: SourcesFile, mis: FakeWonde, other_mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    mis.held[SESSIONS] = [mark(1)]
    define(file, "old", mis, ("A1", urn), until="2025-09-10")
    define(file, "new", other_mis, ("A1", urn), **{"from": "2025-09-11"})
    before = pull(here, Plan(what="marks", today=date(2025, 9, 10)))
    assert (outcomes(before["old"]), outcomes(before["new"])) == ([("A1", "pulled", 1)], [])
    assert other_mis.asked == []
    asked = len(mis.asked)
    after = pull(here, Plan(what="marks", today=date(2025, 9, 11)))
    assert (outcomes(after["old"]), outcomes(after["new"])) == ([], [("A1", "pulled", 1)])
    assert len(mis.asked) == asked
    assert [page["source"] for page in read_topic(MIS, urn)] == ["old", "new"]


# ---- beside a backfill


def test_a_backfill_that_runs_is_left_its_part_of_the_rate_limit(
    here: Settings, parts: Parts, file: SourcesFile, mis: FakeWonde, urn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    define(file, "wonde", mis, ("A1", urn))
    opened: list[float] = []
    real = MAKES["wonde"]

    def watched(access: Access, around: Any) -> Any:
        opened.append(access.requests_a_second)
        return real.open(access, around)

    monkeypatch.setattr(source_pulls, "MAKES", {"wonde": Make(watched, real.address)})

    async def play() -> None:
        pulls = SourcePulls("wonde", parts, MARKS)
        try:
            await pulls.round()
            with Claim(backfill_runs(here, "wonde")):
                await pulls.round()
                await pulls.round()
            await pulls.round()
        finally:
            await pulls.close()

    asyncio.run(play())
    assert opened == [1000, 750, 1000]


# ---- check


def test_check_says_of_every_school_what_works(
    here: Settings, file: SourcesFile, mis: FakeWonde, other_mis: FakeWonde, urn: int
) -> None:
    code_maps.publish(here, {f"wonde:{urn}": [MapEntry("9", "N", None, None)]}, author="test", reason="test")
    schools = [(f"A{number}", urn + 500_000 + number) for number in range(1, 5)]
    for school, at in schools:
        says = at if school != "A2" else 99
        mis.trouble[school] = [Trouble(200, {}, json.dumps({"data": {"id": school, "urn": says}}).encode())]
        mis.held[f"{school}/attendance-codes"] = CODES if school != "A3" else [{"id": "C9", "code": "9"}]
        mis.held[f"{school}/students"] = [] if school == "A4" else [student(1), student(2)]
    define(file, "wonde", mis, *schools)
    define(file, "refusing", other_mis, ("A1", urn), secret="env:BAD_TOKEN")
    define(file, "mapped", mis, ("A3", urn + 500_003), code_scheme=f"wonde:{urn}")
    define(file, "unmapped", mis, ("A3", urn + 500_003), code_scheme="local")
    mis.trouble["A3"] *= 3
    found = asyncio.run(checking.check(here, at_once=2))
    good, wrong_urn, codes, empty, refused, mapped, unmapped = found
    assert (good.found, good.pupils) == ([], 2)
    assert "has the URN 99" in wrong_urn.found[0]
    assert "1 of its codes are not national ones" in codes.found[0]
    assert (empty.found, empty.pupils) == (["its roster is empty or cannot be read"], None)
    assert (refused.name, refused.school, len(refused.found)) == ("refusing", "A1", 1)
    assert "401" in refused.found[0]
    assert mapped.found == []
    assert f"no code map of unmapped:{urn + 500_003} is published" in unmapped.found[0]
    assert not (here.home / "connectors" / "state").exists(), "check changes nothing"


def test_check_by_command_leaves_with_1_and_prints_rows(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    define(file, "wonde", mis, ("A1", urn), ("A2", urn + 500_000))
    mis.trouble["A1"] = [Trouble(200, {}, json.dumps({"data": {"id": "A1", "urn": urn}}).encode())]
    file.revoke("wonde", "A2", None, "left", NOW)
    done = command(here, "sources", "check", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (
        0,
        [{"source": "wonde", "school": "A1", "urn": urn, "pupils": 3, "found": []}],
    )
    mis.token = "another"
    assert command(here, "sources", "check").returncode == 1
