"""All sources of a file, pulled side by side from real HTTP servers to real Kafka: who stops whom, and when."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors import checking, pulling
from connectors.access import Access
from connectors.contract import Window
from connectors.encoding import Encoder
from connectors.files import Claim
from connectors.makes import MAKES, Make
from connectors.publisher import Publisher
from connectors.pulling import Parts, Plan, Round, SourcePulls, backfill_runs, state_of
from connectors.pupils import UpnKey
from connectors.sources import parse
from connectors.sources_file import SourcesFile, entry_names
from rollcall.settings import Settings
from tests.connectors.conftest import ReadTopic, wait_until
from tests.connectors.mis import TOKEN, FakeWonde, Trouble, mark, student
from tests.connectors.puller import CODES, MIS, ROSTER, SESSIONS, ids

NOW = datetime(2025, 9, 10, 9, 0, tzinfo=UTC)
MARKS = Plan(what="marks")


@pytest.fixture
def here(stack: Any, kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an installation of its own, on the shared stack."""
    monkeypatch.setenv("GOOD_TOKEN", TOKEN)
    monkeypatch.setenv("BAD_TOKEN", "another token that is only used in tests")
    return Settings.load(home=tmp_path, kafka={"bootstrap": kafka}, registry={"url": stack.registry})


@pytest.fixture
def other_mis() -> Iterator[FakeWonde]:
    server = FakeWonde()
    server.held = {"A1/attendance-codes": CODES, "A1/students": [student(7)], SESSIONS: [mark(7)]}
    yield server
    server.close()


@pytest.fixture
def file(here: Settings) -> SourcesFile:
    return SourcesFile(here.sources_file)


@pytest.fixture
def parts(here: Settings, file: SourcesFile, publisher: Publisher, encoder: Encoder, upn_key: UpnKey) -> Parts:
    return Parts(here, file, publisher, encoder, upn_key)


def define(file: SourcesFile, name: str, mis: FakeWonde, *schools: tuple[str, int], **changed: Any) -> None:
    secret = changed.pop("secret", "env:GOOD_TOKEN")
    told = [{"id": school, "urn": urn, **changed} for school, urn in schools]
    source = {"make": "wonde", "name": name, "base_url": mis.url, "secret": secret, "requests_a_second": 1000}
    document = {"sources": [{**source, "schools": told}]}
    file.take(parse(document, entry_names(document)))


def pull(settings: Settings, plan: Plan = MARKS, *names: str) -> dict[str, Round]:
    return {done.name: done for done in asyncio.run(pulling.run(settings, plan, names=names))}


def outcomes(done: Round) -> list[tuple[str, str, int]]:
    return [(one.source.id, one.outcome, one.marks) for one in done.pulled]


@contextmanager
def when_asked(mis: FakeWonde, path: str, nth: int, do: Callable[[], None]) -> Iterator[None]:
    """Do something in the middle of the n-th request for a path, before it is answered."""
    whole, seen = mis._answer, 0

    def answer(asked: str, query: dict[str, str], authorization: str) -> Trouble:
        nonlocal seen
        seen += asked == path
        if asked == path and seen == nth:
            do()
        return whole(asked, query, authorization)

    mis._answer = answer  # type: ignore[method-assign]
    yield
    mis._answer = whole  # type: ignore[method-assign]


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
    done = _command(here, "pull", "--json", "--what", "marks")
    rows = json.loads(done.stdout)
    assert [(row["source"], row["school"], row["outcome"]) for row in rows] == [
        ("good", "A1", "pulled"),
        ("refusing", "A1", "stopped"),
    ]
    assert done.returncode == 1
    assert _command(here, "pull", "--source", "good", "--what", "marks").returncode == 0
    unknown = _command(here, "pull", "--source", "nobody")
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
        await until(lambda: any(outcome[0] == "A1" for one in rounds[-1:] for outcome in outcomes(one)))
        await until(lambda: bool(read_topic(MIS, urn + 500_001)))
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


# ---- permission


def test_rule_27_a_revocation_ends_a_pull_that_waits_for_a_page_and_what_was_read_is_not_sent(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    """The server holds back its third page for a minute. The first is on Kafka, the second is read and not sent."""
    mis.held[SESSIONS] = [mark(number) for number in range(6)]
    define(file, "wonde", mis, ("A1", urn))
    mis.stuck_on_third_page.set()
    words, environment = _words(here, "pull", "--json", "--what", "marks"), _environment(here)
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert mis.reached_third_page.wait(60)
        assert _command(here, "sources", "revoke", "wonde", "--urn", str(urn), "--reason", "left").returncode == 0
        (row,) = json.loads(process.communicate(timeout=50)[0])
    assert (row["outcome"], row["pages"]) == ("stopped", 1)
    assert row["why"].startswith("permission was revoked at ")
    assert row["why"].endswith(": left")
    assert ids(read_topic(MIS, urn)) == ["A900000", "A900001"]
    assert state_of(here, "wonde").load("A1").cursor is None
    mis.stuck_on_third_page.clear()
    asked = len(mis.asked)
    assert pull(here)["wonde"].pulled == []
    assert len(mis.asked) == asked
    assert _command(here, "sources", "resume", "wonde", "--urn", str(urn)).returncode == 0
    assert outcomes(pull(here)["wonde"]) == [("A1", "pulled", 6)]


def test_a_page_that_comes_after_the_revocation_is_thrown_away_with_the_one_before_it(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    mis.held[SESSIONS] = [mark(number) for number in range(6)]
    define(file, "wonde", mis, ("A1", urn))
    with when_asked(mis, SESSIONS, 2, lambda: file.revoke("wonde", None, None, "left", NOW)):
        assert outcomes(pull(here)["wonde"]) == [("A1", "stopped", 0)]
    assert read_topic(MIS, urn) == []
    assert len(mis.queries(SESSIONS)) == 2


def test_a_revocation_in_the_middle_of_a_roster_ends_it_there(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    define(file, "wonde", mis, ("A1", urn))
    mis.held[SESSIONS] = [mark(1)]
    with when_asked(mis, "A1/students-pre-admission", 1, lambda: file.revoke("wonde", "A1", None, "left", NOW)):
        assert outcomes(pull(here, Plan())["wonde"]) == [("A1", "stopped", 0)]
    assert read_topic(ROSTER, urn) == []
    assert mis.queries(SESSIONS) == []


def test_when_the_file_breaks_in_the_middle_nothing_more_is_sent_until_it_is_mended(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    """Nobody can say whether the school still permits us."""
    mis.held[SESSIONS] = [mark(number) for number in range(6)]
    define(file, "wonde", mis, ("A1", urn))
    good = file.path.read_text()
    with when_asked(mis, SESSIONS, 2, lambda: file.path.write_text("{") and None):
        (pulled,) = pull(here)["wonde"].pulled
    assert (pulled.outcome, pulled.why.count("\n")) == ("failed", 0)
    assert "sources.json is not JSON" in pulled.why
    assert read_topic(MIS, urn) == []
    file.path.write_text(good)
    assert outcomes(pull(here)["wonde"]) == [("A1", "pulled", 6)]


def test_a_source_all_of_whose_schools_are_revoked_does_not_pull_what_its_token_may_read(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    """No school left is not the same as no school named, which means all that the source lets us read."""
    define(file, "wonde", mis, ("A1", urn))
    file.revoke("wonde", None, urn, "left", NOW)
    assert pull(here)["wonde"].pulled == []
    assert mis.asked == []


def test_a_school_that_refused_us_is_asked_again_after_resume(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    define(file, "wonde", mis, ("A1", urn))
    mis.trouble[SESSIONS] = [Trouble(403)]
    assert outcomes(pull(here)["wonde"]) == [("A1", "stopped", 0)]
    asked = len(mis.asked)
    assert outcomes(pull(here)["wonde"]) == [("A1", "stopped", 0)]
    assert len(mis.asked) == asked
    assert "A1" in _command(here, "sources", "resume", "wonde", "--school", "A1").stdout
    assert outcomes(pull(here)["wonde"]) == [("A1", "pulled", 0)]


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

    monkeypatch.setattr(pulling, "MAKES", {"wonde": Make(watched, real.address)})

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
    schools = [(f"A{number}", urn + 500_000 + number) for number in range(1, 5)]
    for school, at in schools:
        says = at if school != "A2" else 99
        mis.trouble[school] = [Trouble(200, {}, json.dumps({"data": {"id": school, "urn": says}}).encode())]
        mis.held[f"{school}/attendance-codes"] = CODES if school != "A3" else [{"id": "C9", "code": "9"}]
        mis.held[f"{school}/students"] = [] if school == "A4" else [student(1), student(2)]
    define(file, "wonde", mis, *schools)
    define(file, "refusing", other_mis, ("A1", urn), secret="env:BAD_TOKEN")
    file.revoke("wonde", None, None, "x", NOW)
    file.resume("wonde", None, None)
    found = asyncio.run(checking.check(here, at_once=2))
    good, wrong_urn, codes, empty, refused = found
    assert (good.found, good.pupils) == ([], 2)
    assert "has the URN 99" in wrong_urn.found[0]
    assert "1 of its codes are not national ones" in codes.found[0]
    assert (empty.found, empty.pupils) == (["its roster is empty or cannot be read"], None)
    assert (refused.name, refused.school, len(refused.found)) == ("refusing", "A1", 1)
    assert "401" in refused.found[0]
    assert not (here.home / "connectors" / "state").exists(), "check changes nothing"


def test_check_by_command_leaves_with_1_and_prints_rows(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    define(file, "wonde", mis, ("A1", urn), ("A2", urn + 500_000))
    mis.trouble["A1"] = [Trouble(200, {}, json.dumps({"data": {"id": "A1", "urn": urn}}).encode())]
    file.revoke("wonde", "A2", None, "left", NOW)
    done = _command(here, "sources", "check", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (
        0,
        [{"source": "wonde", "school": "A1", "urn": urn, "pupils": 3, "found": []}],
    )
    mis.token = "another"
    assert _command(here, "sources", "check").returncode == 1


def _words(settings: Settings, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "rollcall.cli", *arguments, "--home", str(settings.home)]


def _environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "ROLLCALL_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "ROLLCALL_REGISTRY__URL": settings.registry.url,
    }


def _command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _words(settings, *arguments),
        env=_environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
