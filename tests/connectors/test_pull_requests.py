"""Pull requests: their ids, what folds into what, what is put on the topic at a tick, and what a batch of them does."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

import schemas
from connectors import ticking
from connectors.contract import Window
from connectors.encoding import Encoder
from connectors.files import Claim, claimed
from connectors.publisher import Publisher
from connectors.pull_requests import TOPIC, PullRequest, expiry, fold, installation_of, tick_of
from connectors.pupils import UpnKey
from connectors.requested import Answer, Requested
from connectors.source_pulls import Parts, Plan, SourcePulls, pulls_run, state_folder, state_of
from connectors.sources_file import SourcesFile
from rollcall.errors import UsageError
from rollcall.settings import Settings
from schemas import wire
from tests.connectors.conftest import ReadTopic
from tests.connectors.installation import MARKS, define
from tests.connectors.mis import FakeWonde, mark
from tests.connectors.puller import MIS, SESSIONS, ids

NOON = datetime(2025, 9, 10, 12, tzinfo=UTC)
WINDOW = Window(date(2025, 9, 8), date(2025, 9, 12))
ONE = PullRequest("here", "wonde", "A1", 100_001, NOON, "marks")


@pytest.fixture
def parts(here: Settings, file: SourcesFile, publisher: Publisher, encoder: Encoder, upn_key: UpnKey) -> Parts:
    return Parts(here, file, publisher, encoder, upn_key)


# ---- what a request is


def test_a_request_s_id_is_a_function_of_what_it_asks_for() -> None:
    assert ONE.id == replace(ONE, what="all", expires_at=NOON).id
    other = [
        replace(ONE, installation="there"), replace(ONE, source="odata"), replace(ONE, school="A2"),
        replace(ONE, tick=NOON + timedelta(seconds=60)), replace(ONE, window=WINDOW),
        replace(ONE, snapshot="strike/10:00"),
    ]  # fmt: skip
    assert len({ONE.id, *(one.id for one in other)}) == 7


@pytest.mark.parametrize(
    "request_", [ONE, replace(ONE, what="all", window=WINDOW, snapshot="strike/10:00"), replace(ONE, expires_at=NOON)]
)
def test_a_request_comes_out_of_its_message_as_it_went_in(request_: PullRequest) -> None:
    schema = schemas.parsed(TOPIC)
    assert PullRequest.of(wire.decode(schema, wire.encode(schema, 1, request_.record()))) == request_


def test_a_request_for_nothing_there_is_is_refused() -> None:
    record = wire.decode(schemas.parsed(TOPIC), wire.encode(schemas.parsed(TOPIC), 1, ONE.record()))
    for wrong in ({"what": "everything"}, {"window_from": WINDOW.first_day}):
        with pytest.raises(ValueError, match="none"):
            PullRequest.of({**record, **wrong})


def test_a_tick_is_the_same_for_all_who_ask_within_it() -> None:
    assert tick_of(NOON + timedelta(seconds=59.9), 60) == tick_of(NOON, 60) == NOON
    assert tick_of(NOON + timedelta(seconds=60), 60) == NOON + timedelta(seconds=60)
    assert tick_of(NOON + timedelta(microseconds=1500), None) == NOON + timedelta(milliseconds=1)


def test_only_what_the_next_ticks_ask_for_anyway_expires() -> None:
    assert expiry(NOON, 60, "marks") == NOON + timedelta(minutes=10)
    assert expiry(NOON, 600, "marks") == NOON + timedelta(minutes=100)
    assert expiry(NOON, 60, "all") is expiry(NOON, None, "marks") is None


# ---- folding


def test_older_requests_of_a_school_fold_into_the_newest_and_a_roster_is_not_forgotten() -> None:
    later = replace(ONE, tick=NOON + timedelta(minutes=1))
    roster = replace(ONE, what="all", tick=NOON - timedelta(minutes=1))
    beside = replace(ONE, school="A2")
    folded = fold([later, ONE, beside, roster])
    assert [one.request for one in folded] == [beside, replace(later, what="all")]
    assert list(folded[1].older) == [roster, ONE]


def test_a_window_folds_only_into_its_own_repeat() -> None:
    window = replace(ONE, window=WINDOW)
    folded = fold([ONE, window, replace(window, tick=NOON + timedelta(minutes=1)), window])
    assert [(one.request.window, len(one.older)) for one in folded] == [(None, 0), (WINDOW, 1), (WINDOW, 0)]


# ---- asking


def test_a_tick_puts_one_request_a_school_on_the_topic_and_the_rest_is_told(
    here: Settings, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    define(file, "wonde", mis, ("A1", urn), ("A2", urn + 500_000))
    define(file, "keyless", mis, ("A3", urn + 500_001), secret="env:NOWHERE")
    file.revoke("wonde", "A2", None, "left the trust", NOON)
    wonde, keyless = sorted(asyncio.run(ticking.run(here, Plan())), key=lambda one: one.name, reverse=True)
    (said,) = (PullRequest.of(record) for record in read_topic(TOPIC, urn))
    assert [said] == list(wonde.requests)
    assert (said.installation, said.source, said.school, said.what) == (installation_of(here), "wonde", "A1", "all")
    assert read_topic(TOPIC, urn + 500_000) == []
    assert (keyless.requests, [one.source.id for one in keyless.failing], keyless.whole) == ([], ["A3"], False)
    assert mis.asked == [], "asking is not pulling"


def test_one_process_asks_at_every_tick(here: Settings, file: SourcesFile, mis: FakeWonde, urn: int) -> None:
    define(file, "wonde", mis, ("A1", urn))
    with (
        Claim(here.home / "connectors" / "requests.running"),
        pytest.raises(UsageError, match="asks for pulls already"),
    ):
        asyncio.run(ticking.run(here, Plan(), every=1))


# ---- doing


def do(parts: Parts, *batches: Sequence[PullRequest]) -> list[list[Answer]]:
    """What becomes of batches, one after the other, done by one process."""

    async def play() -> list[list[Answer]]:
        requested = Requested(parts, MARKS)
        try:
            return [await requested.pull(batch, 0.5) for batch in batches]
        finally:
            await requested.close()

    return asyncio.run(play())


def outcomes(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    return sorted((one.request.school, one.outcome) for one in answers)


def test_a_batch_is_pulled_and_what_is_not_to_be_pulled_is_said(
    here: Settings, parts: Parts, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    mis.held[SESSIONS] = [mark(1), mark(2)]
    define(file, "wonde", mis, ("A1", urn), ("A2", urn + 500_000))
    file.revoke("wonde", "A2", None, "left the trust", NOON)
    one = replace(ONE, installation=installation_of(here), urn=urn)
    (answers,) = do(
        parts,
        [
            one,
            replace(one, tick=NOON + timedelta(minutes=1)),
            replace(one, school="A2", urn=urn + 500_000),
            replace(one, school="A4", installation="another"),
            replace(one, school="A5", expires_at=NOON),
            replace(one, source="nowhere", school="A6"),
        ],
    )
    assert outcomes(answers) == [
        ("A1", "folded"), ("A1", "pulled"), ("A2", "stopped"), ("A4", "elsewhere"), ("A5", "expired"), ("A6", "failed")
    ]  # fmt: skip
    assert [page["pull_id"] for page in read_topic(MIS, urn)] == ["wonde:A1:20250910T120100.000Z"]
    assert state_of(here, "wonde").load("A1").cursor is not None


def test_the_same_request_again_gives_the_same_ids(
    here: Settings, parts: Parts, file: SourcesFile, mis: FakeWonde, urn: int, read_topic: ReadTopic
) -> None:
    """As after a kill before the cursor moved: the pages are the same, but for when they were read."""
    mis.held[SESSIONS] = [mark(number) for number in range(3)]
    define(file, "wonde", mis, ("A1", urn))
    one = replace(ONE, installation=installation_of(here), urn=urn, window=WINDOW)
    do(parts, [one], [one])
    first, again = ([page for page in read_topic(MIS, urn) if page["page"] == number] for number in (0, 1))
    assert first[0]["pull_id"] == again[0]["pull_id"] == "wonde:A1:20250910T120000.000Z:2025-09-08..2025-09-12"
    for twins in (first, again):
        assert len(twins) == 2
        assert len({(twin["pull_id"], *ids([twin])) for twin in twins}) == 1
    assert state_of(here, "wonde").load("A1").cursor is None


def test_a_school_that_fails_is_reported_and_the_next_tick_pulls_it_from_its_cursor(
    here: Settings, parts: Parts, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    mis.held[SESSIONS] = [mark(1)]
    define(file, "wonde", mis, ("A1", urn))
    one = replace(ONE, installation=installation_of(here), urn=urn)
    mis.refuses = 400
    failed, done = [], []

    async def play() -> None:
        requested = Requested(parts, MARKS)
        failed.extend(await requested.pull([one], 1.0))
        mis.refuses = None
        done.extend(await requested.pull([replace(one, tick=NOON + timedelta(minutes=1))], 1.0))
        await requested.close()

    asyncio.run(play())
    assert (outcomes(failed), outcomes(done)) == ([("A1", "failed")], [("A1", "pulled")])
    assert "400" in failed[0].why


def test_who_has_lost_a_school_and_still_pulls_it_is_waited_for(
    here: Settings, parts: Parts, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    define(file, "wonde", mis, ("A1", urn))
    one = replace(ONE, installation=installation_of(here), urn=urn)

    async def play() -> list[Answer]:
        requested = Requested(parts, MARKS)
        with Claim(state_folder(here, "wonde") / "A1.pulled"):
            pulling = asyncio.create_task(requested.pull([one], 1.0))
            await asyncio.sleep(0.3)
            assert not pulling.done()
            assert mis.asked == []
        answers = await pulling
        await requested.close()
        return answers

    assert outcomes(asyncio.run(play())) == [("A1", "pulled")]


def test_several_share_a_source_and_none_pulls_it_beside_them(
    here: Settings, parts: Parts, file: SourcesFile, mis: FakeWonde, urn: int
) -> None:
    define(file, "wonde", mis, ("A1", urn))

    async def play() -> None:
        first, second = (SourcePulls("wonde", parts, MARKS, among=0.5) for _ in range(2))
        alone = SourcePulls("wonde", parts, MARKS)
        assert (await first.round()).whole
        assert (await second.round()).whole
        assert claimed(pulls_run(here, "wonde"))
        assert "another process pulls wonde already" in (await alone.round()).why
        await first.close()
        assert claimed(pulls_run(here, "wonde"))
        await second.close()
        assert not claimed(pulls_run(here, "wonde"))
        assert (await alone.round()).whole
        assert "another process pulls wonde already" in (await first.round()).why
        await alone.close()
        await first.close()

    asyncio.run(play())


def test_a_home_folder_has_one_id_whoever_asks_first(here: Settings) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert len(set(pool.map(_id_of, [here.home] * 4))) == 1


def _id_of(home: Path) -> str:
    return installation_of(Settings.load(home=home))
