"""Snapshots over real HTTP: who is asked, what is kept of it, who holds up whom, and kill -9 in the middle of a cut."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Source
from connectors.files import Claim
from connectors.pulling import run as pull_all
from connectors.snapshots import asking
from connectors.snapshots import run as running
from connectors.snapshots.beside import room
from connectors.snapshots.record import Asked, CutRecord, Recorder, Snapshot, folder_of, load, names, read
from connectors.snapshots.run import take
from connectors.snapshots.schedule import Cut, Schedule, one_cut
from connectors.source_pulls import pulls_run, snapshot_runs, state_of
from connectors.sources_file import SourcesFile
from connectors.state import SourceState
from rollcall.domain.clock import now
from rollcall.errors import ConfigError, UsageError
from rollcall.settings import Settings
from tests.connectors.conftest import ReadTopic, wait_until
from tests.connectors.installation import MARKS, command, define, environment, words
from tests.connectors.mis import TOKEN, FakeWonde, Trouble, mark
from tests.connectors.puller import CODES, MIS, SESSIONS, ids

DAY = date(2025, 9, 10)
NOW = datetime(2025, 9, 10, 9, 0, tzinfo=UTC)
OTHERS = ("A1", "A2", "A3", "A4")


@pytest.fixture
def town(mis: FakeWonde) -> Iterator[FakeWonde]:
    """A source of four schools, of which each has two marks."""
    mis.held = {f"{school}/attendance-codes": CODES for school in OTHERS}
    mis.held |= {f"{school}/attendance/session": [mark(1), mark(2)] for school in OTHERS}
    return mis


@pytest.fixture
def urns(file: SourcesFile, town: FakeWonde, urn: int) -> dict[str, int]:
    """Its schools, defined: id -> URN."""
    of = {school: urn + 300_000 * number for number, school in enumerate(OTHERS)}
    define(file, "wonde", town, *of.items())
    return of


def snapshot(*cuts: Cut, seconds: float = 20.0, **changed: Any) -> Schedule:
    """A schedule of a played day; without cuts of one, now."""
    told = {"name": "strike", "day": DAY, "cuts": cuts or one_cut(now()), "today": DAY}
    return Schedule(**{**told, "deadline": timedelta(seconds=seconds), **changed})


def taken(settings: Settings, schedule: Schedule, **more: Any) -> CutRecord:
    return asyncio.run(take(settings, schedule, **more))[-1]


def outcomes(record: CutRecord) -> dict[str, str | None]:
    return {school.school: school.outcome for school in record.schools.values()}


def only(school: str) -> str:
    return f"{school}/attendance/session"


def breaks_off(town: FakeWonde, school: str, trouble: Trouble) -> list[Trouble]:
    """The school has five marks, gives two pages of two, and then this; what the puller holds back is the second."""
    town.held[only(school)] = [mark(number) for number in range(1, 6)]
    let_in = {"Authorization": f"Bearer {TOKEN}"}
    return [*(town.answer(only(school), {"cursor": place}, let_in) for place in ("0", "2")), trouble]


def test_every_school_is_read_whole_for_the_day_and_its_pages_carry_the_cut(
    here: Settings, urns: dict[str, int], town: FakeWonde, read_topic: ReadTopic
) -> None:
    state_of(here, "wonde").save("A1", SourceState(cursor=NOW))
    file = here.home / "connectors" / "state" / "wonde" / "A1.json"
    before = file.read_bytes()
    schedule = snapshot()
    record = taken(here, schedule)
    assert outcomes(record) == dict.fromkeys(OTHERS, "answered")
    assert [(school.marks, school.pages) for school in record.schools.values()] == [(2, 1)] * 4
    for urn in urns.values():
        (page,) = read_topic(MIS, urn)
        assert (page["snapshot"], page["complete"], page["last_page"]) == (schedule.label(schedule.cuts[0]), True, True)
        assert page["window_from"] == page["window_to"] == DAY
    (query,) = town.queries(SESSIONS)
    assert {"date_from": "2025-09-10", "date_to": "2025-09-10"}.items() <= query.items()
    assert file.read_bytes() == before, "the cursors of the pulls are theirs"


def test_a_school_that_withdrew_its_permission_is_not_asked(
    here: Settings, file: SourcesFile, urns: dict[str, int], town: FakeWonde, read_topic: ReadTopic
) -> None:
    file.revoke("wonde", "A2", None, "left the trust", NOW)
    record = taken(here, snapshot())
    assert outcomes(record) == {"A1": "answered", "A3": "answered", "A4": "answered"}
    assert not [path for path, _ in town.asked if path.startswith("A2/")]
    assert read_topic(MIS, urns["A2"]) == []


def test_refusal_trouble_and_silence_of_some_hold_up_none_of_the_others(
    here: Settings, urns: dict[str, int], town: FakeWonde, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One place for all of them: the silent school is first, and gives it up."""
    monkeypatch.setattr(asking, "_SLOW_SECONDS", 0.2)
    town.trouble[only("A1")] = [Trouble(silent=60.0)]
    town.trouble[only("A2")] = [Trouble(403)]
    town.trouble[only("A3")] = [Trouble(410)]
    told: list[dict[str, str | None]] = []
    record = taken(here, snapshot(seconds=4.0), at_once=1, told=lambda one: told.append(outcomes(one)))
    assert told[0] == {"A1": None, "A2": "refused", "A3": "failed", "A4": "answered"}
    assert outcomes(record) == told[1] == {"A1": "silent", "A2": "refused", "A3": "failed", "A4": "answered"}
    why = {school.school: school.why for school in record.schools.values()}
    assert "no whole answer in" in why["A1"]
    assert "403" in why["A2"]
    assert "410" in why["A3"]
    assert record.over_at == record.cut.at + timedelta(seconds=4)


def test_of_more_slow_schools_than_there_is_room_for_the_longest_waiting_is_asked_again_behind_all_others(
    here: Settings, urns: dict[str, int], town: FakeWonde, monkeypatch: pytest.MonkeyPatch, read_topic: ReadTopic
) -> None:
    """A1 gives way to A2 in the middle of its answer; of what it had said some may be gone when it is asked again."""
    monkeypatch.setattr(asking, "_SLOW_SECONDS", 0.7)
    town.trouble[only("A1")] = breaks_off(town, "A1", Trouble(silent=60.0))
    town.held["A1/deletions"] = [{"id": "A900009", "type": "attendance/session"}]
    town.trouble[only("A2")] = [Trouble(silent=2.0)]
    record = taken(here, snapshot(seconds=30.0), at_once=1, beside=1)
    assert outcomes(record) == dict.fromkeys(OTHERS, "answered")
    asked = [path.split("/")[0] for path, _ in town.asked if path.endswith("attendance-codes")]
    assert asked[:5] == ["A1", "A2", "A3", "A4", "A1"]
    first, *again = read_topic(MIS, urns["A1"])
    assert (ids([first]), first["last_page"]) == (["A900001", "A900002"], False), "what Kafka has stays"
    assert [page["last_page"] for page in again] == [False, False, False, True]
    assert {page["pull_id"] for page in again} != {first["pull_id"]}
    assert again[-1]["deletions"] == ["A900009"]


def test_what_is_on_kafka_of_an_answer_that_breaks_off_is_counted_though_the_school_has_not_answered(
    here: Settings, urns: dict[str, int], town: FakeWonde, read_topic: ReadTopic
) -> None:
    town.trouble[only("A1")] = breaks_off(town, "A1", Trouble(410))
    town.trouble[only("A2")] = breaks_off(town, "A2", Trouble(silent=60.0))
    record = taken(here, snapshot(seconds=2.0))
    assert outcomes(record) == {"A1": "failed", "A2": "silent", "A3": "answered", "A4": "answered"}
    for school in ("A1", "A2"):
        known = record.schools["wonde", school]
        assert (known.marks, known.pages, known.held, known.in_part) == (2, 1, None, True)
        assert ids(read_topic(MIS, urns[school])) == ["A900001", "A900002"]


def test_there_is_room_for_as_many_slow_schools_as_the_process_may_open_files_once_its_limit_is_raised() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1_024), hard))
        found = room(at_once=32, sources=1)
        may_open = min(hard if hard != resource.RLIM_INFINITY else 65_536, 65_536)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == may_open
        assert found == max(64, min(10_000, may_open - 256 - 64))
        assert room(at_once=1_024, sources=1_000) >= 64, (
            "more places than files: some are left for the slow all the same"
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_answer_after_the_deadline_is_late_and_all_of_it_is_taken(
    here: Settings, urns: dict[str, int], town: FakeWonde, read_topic: ReadTopic
) -> None:
    town.trouble[only("A3")] = [Trouble(429, {"Retry-After": "5"})]
    told: list[dict[str, str | None]] = []
    record = taken(here, snapshot(seconds=4.0), told=lambda one: told.append(outcomes(one)))
    assert told == [
        {"A1": "answered", "A2": "answered", "A3": None, "A4": "answered"},
        {"A1": "answered", "A2": "answered", "A3": "late", "A4": "answered"},
    ]
    late = record.schools["wonde", "A3"]
    assert (late.marks, late.pages) == (2, 1)
    assert late.ended_at is not None
    assert record.over_at is not None
    assert late.ended_at > record.over_at
    assert ids(read_topic(MIS, urns["A3"])) == ["A900001", "A900002"]


def test_a_page_that_cannot_be_read_is_a_failure_with_its_reason(
    here: Settings, urns: dict[str, int], town: FakeWonde
) -> None:
    town.trouble[only("A1")] = [Trouble(body=b'{"data": [{') for _ in range(3)]
    record = taken(here, snapshot())
    assert outcomes(record) == {"A1": "failed", "A2": "answered", "A3": "answered", "A4": "answered"}
    assert "a page could not be read" in record.schools["wonde", "A1"].why


def test_a_source_without_its_secret_is_lost_and_the_others_are_asked(
    here: Settings, file: SourcesFile, urns: dict[str, int], town: FakeWonde, other_mis: FakeWonde
) -> None:
    define(file, "keyless", other_mis, ("A1", urns["A1"] + 1), secret="env:NOWHERE")
    with Claim(snapshot_runs(here, "wonde")):
        record = taken(here, snapshot())
    assert record.lost == {"wonde": "another snapshot pulls wonde already"}
    keyless = record.schools["keyless", "A1"]
    assert (keyless.outcome, keyless.why, keyless.asked_at) == ("failed", "the secret env:NOWHERE is empty", None)


def test_kill_9_in_the_middle_loses_no_answer_and_asks_only_those_who_have_not_answered(
    here: Settings, urns: dict[str, int], town: FakeWonde, read_topic: ReadTopic
) -> None:
    town.trouble[only("A4")] = [Trouble(silent=60.0)]
    order = ("snapshot", "run", "--name", "strike", "--date", "2025-09-10", "--today", "2025-09-10", "--json")
    with subprocess.Popen(words(here, *order), env=environment(here), stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: _ended(here) == {"A1", "A2", "A3"} and bool(town.queries(only("A4"))), 60)
        process.send_signal(signal.SIGKILL)
    before = load(here, "strike").cuts[0]
    assert outcomes(before) == {"A1": "answered", "A2": "answered", "A3": "answered", "A4": None}
    asked = len(town.asked)
    done = command(here, "snapshot", "run", "--name", "strike", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["cut"], found["whole"], found["counts"]["answered"]) == (before.cut.label, True, 4)
    assert {path.split("/")[0] for path, _ in town.asked[asked:]} == {"A4"}
    after = load(here, "strike").cuts[0]
    assert [after.schools["wonde", one] for one in OTHERS[:3]] == [before.schools["wonde", one] for one in OTHERS[:3]]
    for urn in urns.values():
        assert ids(read_topic(MIS, urn)) == ["A900001", "A900002"]


def test_permission_withdrawn_between_a_crash_and_the_next_run_ends_the_asking(
    here: Settings, file: SourcesFile, urns: dict[str, int], town: FakeWonde
) -> None:
    schedule = snapshot()
    (cut,) = schedule.cuts
    with Recorder(folder_of(here, "strike"), cut) as record:
        record.to_ask("wonde", [Source(school, urn) for school, urn in urns.items()])
        record.asked("wonde", "A1", now())
    file.revoke("wonde", "A1", None, "left the trust", NOW)
    found = taken(here, schedule)
    assert outcomes(found) == {"A1": "refused", "A2": "answered", "A3": "answered", "A4": "answered"}
    assert not [path for path, _ in town.asked if path.startswith("A1/")]


def hourly(count: int = 3, **changed: Any) -> Schedule:
    """Cuts some seconds apart."""
    begin = now() + timedelta(seconds=0.2)
    cuts = tuple(Cut(f"0{number}:00", begin + timedelta(seconds=2.5 * number)) for number in range(count))
    return snapshot(*cuts, seconds=2.5, **changed)


def in_between(*do: Callable[[], object]) -> Callable[[CutRecord], None]:
    """Does one thing after each cut, when it is over."""
    left, over = list(do), set()

    def told(record: CutRecord) -> None:
        if record.cut.label not in over and left:
            over.add(record.cut.label)
            left.pop(0)()

    return told


def asked_whole(settings: Settings) -> list[dict[str, bool]]:
    """School by school at each cut: whether it was read whole."""
    return [
        {one.school: not one.only_changes for one in record.schools.values()}
        for record in load(settings, "strike").cuts
    ]


def test_a_cut_in_between_asks_what_changed_and_what_is_gone_and_nothing_new_is_an_answer(
    here: Settings, urns: dict[str, int], town: FakeWonde, read_topic: ReadTopic
) -> None:
    held, long_ago = town.held, now() - timedelta(hours=1)
    for school in OTHERS:
        held[only(school)] = [mark(1, _changed=long_ago), mark(2, _changed=long_ago)]
    counted: list[int] = []

    def change() -> None:
        counted.append(len(town.asked))
        held[only("A1")][1] = mark(2, attendance_code="CL", _changed=now())  # the list has this code only now
        held["A1/attendance-codes"] = [*CODES, {"id": "CL", "code": "L"}]
        held["A2/deletions"] = [{"id": one, "type": "attendance/session"} for one in ("A900001", "never-said")]
        held[only("A2")] = [mark(2, _changed=long_ago)]

    taken(here, hourly(), overlap=timedelta(0), told=in_between(change, lambda: counted.append(len(town.asked))))
    first, between, last = load(here, "strike").cuts
    assert [outcomes(one) for one in (first, between, last)] == [dict.fromkeys(OTHERS, "answered")] * 3
    assert asked_whole(here) == [dict.fromkeys(OTHERS, whole) for whole in (True, False, True)]
    stands = [[(one.marks, one.held) for one in record.schools.values()] for record in (first, between, last)]
    assert stands == [[(2, 2)] * 4, [(1, 2), (0, 1), (0, 2), (0, 2)], [(2, 2), (1, 1), (2, 2), (2, 2)]]
    # Of each school: sessions, lessons, deletions; the list of codes where a record says one that it does not hold.
    asked = town.asked[counted[0] : counted[1]]
    assert sorted(path for path, _ in asked if path.startswith("A3")) == [
        "A3/attendance/lesson", "A3/attendance/session", "A3/deletions",
    ]  # fmt: skip
    assert {path for path, _ in asked if path.endswith("codes")} == {"A1/attendance-codes"}
    assert {"date_from", "date_to", "updated_after"} <= dict(asked)[only("A3")].keys()
    said = {school: read_topic(MIS, urn)[1] for school, urn in urns.items()}
    assert ids([said["A1"]]) == ["A900002"]
    assert (said["A2"]["marks"], said["A2"]["deletions"]) == ([], ["A900001"]), "what was never said is not taken back"
    assert said["A3"]["marks"] == said["A3"]["deletions"] == []
    for page in said.values():
        assert (page["snapshot"], page["complete"], page["last_page"]) == ("strike/01:00", False, True)
        assert page["window_from"] == page["window_to"] == DAY


def test_whoever_gave_no_whole_answer_at_the_cut_before_is_read_whole_and_what_is_gone_since_its_last_is_told(
    here: Settings, file: SourcesFile, urns: dict[str, int], town: FakeWonde, read_topic: ReadTopic
) -> None:
    """A1 fails once, of A2 a record cannot be read, what is kept of A3 is broken, the first answer of A4 breaks off; in
    the end all have other codes."""
    kept = folder_of(here, "strike") / "held" / "wonde"

    def first() -> None:
        town.trouble[only("A1")] = [Trouble(410)]
        town.held[only("A2")].append(mark(3, date=None))
        (kept / "A3").write_bytes((kept / "A2").read_bytes()[:8])
        town.held["A4/deletions"] = [{"id": "A900001", "type": "attendance/session"}]

    def second() -> None:
        town.held[only("A1")] = [mark(2)]
        town.held["A1/deletions"] = [{"id": "A900001", "type": "attendance/session"}]

    def third() -> None:
        define(file, "wonde", town, *urns.items(), code_scheme="local")

    town.trouble[only("A4")] = breaks_off(town, "A4", Trouble(410))
    taken(here, hourly(count=5, whole_every=99), told=in_between(first, second, third))
    found = asked_whole(here)
    assert found[0] == found[3] == found[4] == dict.fromkeys(OTHERS, True), "another scheme of codes is another source"
    assert (found[1], found[2]) == (
        {"A1": False, "A2": False, "A3": True, "A4": True},
        {"A1": True, "A2": True, "A3": False, "A4": False},
    )
    told = [(page["snapshot"][-5:], page["deletions"]) for page in read_topic(MIS, urns["A1"])]
    gone = ["A900001"]  # once more where what was said before is not known: a repeat is a repeat
    assert told == [("00:00", []), ("02:00", []), ("02:00", gone), ("03:00", []), ("03:00", gone), ("04:00", [])]
    assert all(page["complete"] for page in read_topic(MIS, urns["A1"]))
    of_a4 = [page["snapshot"][-5:] for page in read_topic(MIS, urns["A4"]) if page["deletions"]]
    assert of_a4[0] == "01:00", "what it had said of a day before it broke off may be gone by its first whole answer"


def test_cuts_gone_by_are_said_to_be_missed_and_the_open_one_is_taken(
    here: Settings, urns: dict[str, int], town: FakeWonde
) -> None:
    begin = now().replace(microsecond=0)
    cuts = tuple(Cut(f"0{number}:00", begin + timedelta(seconds=60 * number - 180)) for number in range(4))
    told: list[tuple[str, bool]] = []
    schedule = snapshot(*cuts, seconds=50.0)
    taken(here, schedule, told=lambda one: told.append((one.cut.label, one.begun)))
    assert told == [("00:00", False), ("01:00", False), ("02:00", False), ("03:00", True)]
    known = load(here, "strike")
    assert [known.missed(one, now()) for one in known.cuts] == [True, True, True, False]
    shown = json.loads(command(here, "snapshot", "show", "strike", "--cut", "01:00", "--json").stdout)
    assert (shown["state"], shown["whole"], shown["schools"]) == ("missed", False, 0)


def test_a_name_means_one_snapshot_and_one_process_takes_it(here: Settings, urns: dict[str, int]) -> None:
    schedule = snapshot()
    taken(here, schedule)
    with pytest.raises(UsageError, match="there is a snapshot strike already, of other day"):
        taken(here, snapshot(*schedule.cuts, day=date(2025, 9, 11)))
    with (
        Claim(folder_of(here, "strike") / ".running"),
        pytest.raises(UsageError, match="another process takes the snapshot strike already"),
    ):
        taken(here, schedule)
    assert names(here) == ["strike"]
    with pytest.raises(UsageError, match="no snapshot is called flood; there are: strike"):
        load(here, "flood")


def test_pulls_beside_it_leave_it_half_of_the_rate_limit_and_it_leaves_them_theirs(
    here: Settings, urns: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[float] = []
    made = running.SourcePulls._connected

    async def seen(self: Any, definition: Any, access: Any) -> Any:
        connector = await made(self, definition, access)
        opened.append(access.requests_a_second * self._share())
        return connector

    monkeypatch.setattr(running.SourcePulls, "_connected", seen)
    taken(here, snapshot())
    with Claim(pulls_run(here, "wonde")):
        taken(here, snapshot(name="second"))
    with Claim(snapshot_runs(here, "wonde")):
        asyncio.run(pull_all(here, MARKS))
    asyncio.run(pull_all(here, MARKS))
    assert opened == [1000, 500, 500, 1000]


def test_the_age_of_an_answer_is_that_of_the_last_whole_one(here: Settings) -> None:
    cuts = [Cut(f"{hour}:00", NOW + timedelta(hours=hour - 10)) for hour in (10, 11, 12)]
    schedule = snapshot(*cuts, seconds=1_500)
    records = [CutRecord(cut, begun=True) for cut in cuts]
    for number, record in enumerate(records):
        school = Asked("wonde", "A1", 100_001, cuts[number].at, cuts[number].at + timedelta(minutes=5), "answered")
        record.schools["wonde", "A1"] = school
    records[1].schools["wonde", "A1"].outcome = "late"
    records[2].schools["wonde", "A1"].outcome = "failed"
    found = Snapshot(schedule, records)
    answers = [found.last_answer(record, "wonde", "A1") for record in records]
    assert answers == [NOW + timedelta(minutes=5), *[NOW + timedelta(hours=1, minutes=5)] * 2]
    assert found.last_answer(records[0], "wonde", "A2") is None


def test_a_line_that_was_cut_off_is_none_and_a_broken_one_is_said(tmp_path: Path) -> None:
    (cut,) = one_cut(NOW)
    with Recorder(tmp_path, cut) as record:
        record.to_ask("wonde", [Source("A1", 100_001)])
        record.ended(Asked("wonde", "A1", 100_001, None, NOW, "answered", "", 2, 1))
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("a", encoding="utf-8") as half:
        half.write('{"what":"ended","source":"wonde","school":"A1","at":nu')
    assert read(tmp_path, cut).schools["wonde", "A1"].marks == 2
    with Recorder(tmp_path, cut) as record:
        record.over(NOW)
    assert read(tmp_path, cut).over_at == NOW
    file.write_text('{"what":"over"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read in line 1"):
        read(tmp_path, cut)


def _ended(settings: Settings) -> set[str]:
    if "strike" not in names(settings):
        return set()
    (record,) = load(settings, "strike").cuts
    return {school for (_, school), one in record.schools.items() if one.outcome is not None}
