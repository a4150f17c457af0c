"""A second pull reads what a source holds, takes nothing, changes nothing, and stops where it may not go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from connectors.contract import Window
from connectors.files import Claim, claimed
from connectors.permission import NotPermitted
from connectors.second_pull import Asked, NotAsked, schools
from connectors.source_pulls import reconcile_runs, state_of
from connectors.sources import parse
from connectors.sources_file import SourcesFile, entry_names
from connectors.state import SourceState
from rollcall.cli._account import show
from rollcall.cli._second_pull import SchoolAccount
from rollcall.cli.reconcile import reconcile
from rollcall.domain.comparison import Mark, Slot, compare
from rollcall.errors import SourceError, UsageError
from rollcall.settings import Settings
from tests.connectors.drops import SCHOOL, TAKEN, Drop, table
from tests.connectors.installation import define, when_asked
from tests.connectors.mis import TOKEN, FakeWonde, mark
from tests.connectors.puller import CODES, DELETIONS, SESSIONS
from tests.connectors.server import Answer

T = TypeVar("T")
WINDOW = Window(date(2025, 9, 8), date(2025, 9, 12))
PLAIN = ("pupil_id", "date", "session", "code")
CHANGED = datetime(2025, 9, 10, 12, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation that knows no Kafka: a second pull needs none."""
    monkeypatch.setenv("GOOD_TOKEN", TOKEN)
    return Settings.load(home=tmp_path / "house", kafka={"bootstrap": "127.0.0.1:1"})


@pytest.fixture
def mis(house: Settings) -> Any:
    server = FakeWonde(per_page=2)
    server.held = {
        "A1/attendance-codes": CODES,
        SESSIONS: [mark(number, _changed=CHANGED) for number in range(5)],
        DELETIONS: [],
    }
    define(SourcesFile(house.sources_file), "wonde", server, ("A1", 100_001))
    yield server
    server.close()


def asked(house: Settings, do: Callable[[Asked], Awaitable[T]], name: str = "wonde") -> T:
    """What is done with the one school that may be asked."""

    async def once() -> T:
        found = schools(house, names=[name])
        try:
            async for school in found:
                assert isinstance(school, Asked), school
                return await do(school)
        finally:
            await found.aclose()
        raise AssertionError("no school")

    return asyncio.run(once())


def not_asked(house: Settings) -> list[NotAsked]:
    async def all_of_them() -> list[Any]:
        return [school async for school in schools(house, names=["wonde"])]

    found = asyncio.run(all_of_them())
    assert all(isinstance(one, NotAsked) for one in found), found
    return found


def test_all_pages_are_read_and_no_state_is_written(house: Settings, mis: FakeWonde) -> None:
    found = asked(house, lambda school: school.whole(WINDOW))
    assert sorted(one.record for one in found.marks) == [f"A9{number:05d}" for number in range(5)]
    assert found.marks[0] == Mark("A900000", ("wonde", "A100000"), Slot(date(2025, 9, 10), "AM"), "/")
    assert list((house.home / "connectors" / "state").rglob("*.json")) == []


def test_what_the_next_pull_will_read_is_told(house: Settings, mis: FakeWonde) -> None:
    state_of(house, "wonde").save("A1", SourceState(cursor=CHANGED.replace(hour=13)))
    mis.held[SESSIONS][0]["_changed"] = CHANGED.replace(hour=14)
    mis.held[DELETIONS] = [{"id": "gone", "type": "attendance/session", "_changed": CHANGED.replace(hour=14)}]
    assert asked(house, lambda school: school.changed()) == {"A900000", "gone"}


def test_nothing_is_newer_than_a_pull_that_never_was(house: Settings, mis: FakeWonde) -> None:
    assert asked(house, lambda school: school.changed()) == set()


def test_a_bad_page_makes_no_claim_and_a_bad_record_is_counted(house: Settings, mis: FakeWonde) -> None:
    mis.held[SESSIONS][3]["attendance_code"] = "unknown"
    found = asked(house, lambda school: school.whole(WINDOW))
    assert (len(found.marks), found.unreadable) == (4, Counter({"its code is not in the school's list of codes": 1}))
    mis.trouble[SESSIONS] = [Answer(body=b"<html>")] * 3
    with pytest.raises(SourceError, match="attendance/session cannot be read"):
        asked(house, lambda school: school.whole(WINDOW))


def test_permission_that_is_revoked_stops_it_between_two_pages(house: Settings, mis: FakeWonde) -> None:
    def revoke() -> None:
        SourcesFile(house.sources_file).revoke("wonde", "A1", None, "the head asked for it", CHANGED)

    with when_asked(mis, SESSIONS, 2, revoke), pytest.raises(NotPermitted):
        asked(house, lambda school: school.whole(WINDOW))
    assert len(mis.queries(SESSIONS)) == 2
    mis.asked.clear()
    (refused,) = not_asked(house)
    assert (refused.urn, "revoked" in refused.why, mis.asked) == (100_001, True, [])


def test_a_school_that_refused_us_is_left_alone(house: Settings, mis: FakeWonde) -> None:
    credential = asked(house, _credential)
    state_of(house, "wonde").save("A1", SourceState(stopped="Wonde refuses us (403)", credential=credential))
    (refused,) = not_asked(house)
    assert (refused.why, mis.queries(SESSIONS)) == ("Wonde refuses us (403)", [])


async def _credential(school: Asked) -> str:
    return school.source.credential


def test_one_at_a_time_and_the_pulls_beside_it_can_see_it(house: Settings, mis: FakeWonde) -> None:
    async def seen(school: Asked) -> bool:
        return claimed(reconcile_runs(house, "wonde"))

    assert asked(house, seen)
    assert not claimed(reconcile_runs(house, "wonde"))
    with Claim(reconcile_runs(house, "wonde")) as ours:
        assert ours
        (refused,) = not_asked(house)
    assert "another process" in refused.why


def drop_of(house: Settings, root: Path, **options: str) -> Drop:
    drop = Drop(root, **options)
    told = {"make": "csvdrop", "name": "drop", "base_url": f"file:{root}", "options": options}
    document = {"sources": [{**told, "schools": [{"id": SCHOOL, "urn": drop.urn}]}]}
    SourcesFile(house.sources_file).take(parse(document, entry_names(document)))
    return drop


def test_a_folder_is_read_as_it_lies_and_nothing_is_taken(house: Settings, tmp_path: Path) -> None:
    drop = drop_of(house, tmp_path / "drop")
    drop.write("a.csv", table(PLAIN, ("r1", "2025-09-10", "AM", "/"), ("r2", "2025-09-10", "AM", "/")))
    drop.write("b.csv", table(PLAIN, ("r1", "2025-09-10", "AM", "L")), TAKEN.replace(hour=10))
    state_of(house, "drop").save(SCHOOL, SourceState(cursor=TAKEN.replace(hour=9)))
    found = asked(house, lambda school: school.whole(WINDOW), "drop")
    assert sorted((one.pupil, one.code) for one in found.marks) == [(("drop", "r1"), "L"), (("drop", "r2"), "/")]
    assert len(found.changed) == 1
    assert asked(house, lambda school: school.changed(), "drop") == set()
    assert drop.files() == ["a.csv", "b.csv"]


def test_a_later_whole_export_withdraws_what_it_no_longer_has(house: Settings, tmp_path: Path) -> None:
    drop = drop_of(house, tmp_path / "drop", complete="yes", names="marks_{first_day}_{last_day}_*.csv")
    first = table(PLAIN, ("r1", "2025-09-10", "AM", "/"), ("r2", "2025-09-11", "AM", "/"))
    drop.write("marks_2025-09-08_2025-09-12_1.csv", first)
    later = table(PLAIN, ("r3", "2025-09-10", "AM", "/"))
    drop.write("marks_2025-09-10_2025-09-10_2.csv", later, TAKEN.replace(hour=10))
    found = asked(house, lambda school: school.whole(WINDOW), "drop")
    assert sorted(one.pupil for one in found.marks) == [("drop", "r2"), ("drop", "r3")]
    assert found.changed == set()
    state_of(house, "drop").save(SCHOOL, SourceState(cursor=TAKEN.replace(hour=9)))
    # What the later export says, and what it takes back, is what the next pull brings.
    assert len(asked(house, lambda school: school.whole(WINDOW), "drop").changed) == 2


def test_a_make_without_summaries_says_what_to_do(house: Settings, tmp_path: Path) -> None:
    drop_of(house, tmp_path / "drop")
    with pytest.raises(UsageError, match=r"csvdrop.*--by pull"):
        asked(house, lambda school: school.summaries(), "drop")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"source": ["wonde"]}, "--window"),
        ({"source": ["wonde"], "by": "guess"}, "pull or summary"),
        ({"source": ["wonde"], "drained": True}, "--drained"),
        ({"source": ["wonde"], "by": "summary", "window": (CHANGED, CHANGED)}, "leave --window out"),
        ({"source": ["wonde"], "window": (CHANGED, CHANGED.replace(day=9))}, "later than the last"),
        ({"by": "summary"}, "--source"),
    ],
)
def test_a_command_that_cannot_be_meant_says_what_to_do(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        reconcile(**options)


def test_a_person_reads_what_differs_and_where_and_no_pupil(capsys: pytest.CaptureFixture[str]) -> None:
    ours = Mark("A9", ("wonde", "A100001"), Slot(date(2025, 9, 10), "AM"), "/")
    comment = ours._replace(record="A8", code="poorly, mother rang")
    found = compare([ours._replace(code="N"), comment], [ours])
    show(
        [
            SchoolAccount("wonde", "A1", 100_001, marks=found),
            SchoolAccount("wonde", "A2", 100_002, "Wonde refuses us (403)"),
        ]
    )
    said = capsys.readouterr().out
    assert "wonde A1 100001: theirs 2, ours 1: 2 differ" in said
    assert "code: the same record has another code" in said
    assert "2025-09-10" in said
    assert "wonde A2 100002: not compared: Wonde refuses us (403)" in said
    assert "A100001" not in said
    assert "mother" not in said
