"""The folder of a CSV drop: what is waited for, in which order files are taken, where they go, when each was taken."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.contract import Connector, Pull, Window
from rollcall.errors import SourceError
from tests.connectors.drops import SCHOOL, TAKEN, Drop, table

PLAIN = ("pupil_id", "date", "session", "code")


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


def day(pupil: str, code: str = "/", written: str = "2025-09-10") -> str:
    return table(PLAIN, (pupil, written, "AM", code))


def parts(made: Connector, window: Window | None = None) -> list[Pull]:
    async def all_of_them() -> list[Pull]:
        (source,) = await made.discover()
        pull = Pull("p", source, datetime(2025, 11, 5, 12, tzinfo=UTC), window=window)
        return [part async for part in made.parts(pull)]

    return asyncio.run(all_of_them())


def check(drop: Drop) -> Sequence[str]:
    async def ask() -> Sequence[str]:
        made = drop.connector()
        return await made.check((await made.discover())[0])

    return asyncio.run(ask())


# What is waited for


@pytest.mark.parametrize("name", ["marks.csv.part", "marks.csv.tmp", ".marks.csv", "~marks.csv"])
def test_a_name_of_an_unfinished_file_is_left_alone_and_taken_when_it_is_renamed(drop: Drop, name: str) -> None:
    file = drop.write(name, day("1"))
    assert drop.read()[0] == []
    file.rename(drop.folder / "marks.csv")
    assert len(drop.read()[0]) == 1


def test_a_file_that_was_written_just_now_waits(drop: Drop) -> None:
    file = drop.write("marks.csv", day("1"), taken=None)
    assert drop.read()[0] == []
    assert drop.files() == ["marks.csv"]
    os.utime(file, (time.time() - 6, time.time() - 6))
    assert len(drop.read()[0]) == 1


def test_a_file_that_ends_in_the_middle_of_a_line_waits_long_and_is_then_taken_as_it_is(drop: Drop) -> None:
    """Half of it looks whole to whoever counts columns: `10` for a pupil `1042`."""
    whole = table(PLAIN, ("1042", "2025-09-10", "AM", "/"), ("1043", "2025-09-10", "AM", "/"))
    now = datetime.now(UTC)
    file = drop.write("marks.csv", whole.rstrip("\r\n"), now - timedelta(seconds=60))
    assert drop.read()[0] == []
    os.utime(file, ((now - timedelta(seconds=400)).timestamp(),) * 2)
    assert len(drop.read()[0]) == 2


def test_a_writer_whose_clock_is_ahead_is_waited_for_by_what_we_see(tmp_path: Path) -> None:
    drop = Drop(tmp_path, quiet_seconds="0.2")
    drop.write("marks.csv", day("1"), datetime.now(UTC) + timedelta(hours=1))
    made = drop.connector()
    assert parts(made) == []
    time.sleep(0.25)
    assert len(parts(made)) == 1


def test_a_file_that_is_written_to_while_it_is_read_is_not_put_away(tmp_path: Path) -> None:
    drop = Drop(tmp_path, rows_a_page="1")
    drop.write("marks.csv", day("1") + "2,2025-09-10,AM,/\n")
    made = drop.connector()

    async def pull() -> None:
        (source,) = await made.discover()
        async for part in made.parts(Pull("p", source, TAKEN)):
            async for page in made.pull(part):
                await made.acknowledged(part, page)
                with (drop.folder / "taking" / "marks.csv").open("a") as more:
                    more.write("3,2025-09-10,AM,/\n")

    with pytest.raises(SourceError, match="written to while it was read"):
        asyncio.run(pull())
    assert drop.files("done/marks") == []
    past = time.time() - 60
    os.utime(drop.folder / "taking" / "marks.csv", (past, past))
    drop.options = {}
    assert [mark["pupil_ref"] for mark in drop.read()[0]][:3] == ["1", "2", "3"], "and all of it is read again"


def test_a_file_of_the_same_name_that_arrives_meanwhile_is_another_file(drop: Drop) -> None:
    drop.write("marks.csv", day("1"))
    made = drop.connector()
    (claimed,) = parts(made)
    drop.write("marks.csv", day("2"), TAKEN + timedelta(minutes=1))
    assert [part.id for part in parts(made)] == [claimed.id], "it waits until the first is done"
    assert [mark["pupil_ref"] for mark in drop.read()[0]] == ["1", "2"]
    assert len(drop.files("done/marks")) == 2


def test_only_regular_files_are_taken(drop: Drop, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_text(day("1"))
    (drop.folder / "link.csv").symlink_to(elsewhere)
    (drop.folder / "folder.csv").mkdir()
    assert drop.read()[0] == []


# Order, and when it was taken (rule 6)


def test_files_are_taken_in_the_order_of_their_export_and_then_of_their_names(drop: Drop) -> None:
    drop.write("b.csv", day("2"))
    drop.write("a.csv", day("3"), TAKEN + timedelta(seconds=1))
    drop.write("c.csv", day("4"), TAKEN + timedelta(seconds=1))
    drop.write("z.csv", day("1"), TAKEN - timedelta(seconds=1))
    assert [mark["pupil_ref"] for mark in drop.read()[0]] == ["1", "2", "3", "4"]


def test_rule_6_a_file_was_taken_when_it_says_and_else_when_it_was_written(tmp_path: Path) -> None:
    drop = Drop(tmp_path, names="marks_{taken_at}.csv; *.csv")
    column = table((*PLAIN, "Exported At"), ("1", "2025-09-10", "AM", "/", "2025-09-10 08:15:00"))
    drop.write("marks_20250911_0915.csv", column)
    drop.write("marks_2025-09-12T091500Z.csv", day("1"))
    drop.write("marks_20250912_0915.csv", day("2"))
    drop.write("other 2025-09-13 0915.csv", day("1"), TAKEN + timedelta(microseconds=1_500))
    assert [part.taken_at for part in parts(drop.connector())] == [
        datetime(2025, 9, 10, 7, 15, tzinfo=UTC),
        datetime(2025, 9, 12, 8, 15, tzinfo=UTC),
        datetime(2025, 9, 12, 9, 15, tzinfo=UTC),
        TAKEN + timedelta(milliseconds=1),
    ]


def test_a_file_that_was_exported_at_two_times_is_refused(drop: Drop) -> None:
    rows = [("1", "2025-09-10", "AM", "/", f"2025-09-10 08:{minute}:00") for minute in (15, 16)]
    drop.write("marks.csv", table((*PLAIN, "Exported At"), *rows))
    assert drop.read()[0] == []
    assert "line 3 says another Exported At" in drop.reason()


# Twice


def test_the_same_file_twice_is_said_twice_and_told(drop: Drop) -> None:
    """Not left out: between the two a third may have said another thing, and then the repeat is news."""
    drop.write("marks.csv", day("1", "/"))
    first = parts(drop.connector())[0].id
    drop.read()
    drop.write("amended.csv", day("1", "N"), TAKEN + timedelta(minutes=1))
    drop.read()
    drop.write("marks.csv", day("1", "/"), TAKEN + timedelta(minutes=2))
    with capture_logs() as logs:
        (again,) = parts(drop.connector())
    assert [(line["event"], line["file"]) for line in logs] == [("file_taken_before", "marks.csv")]
    assert [mark["code"] for mark in drop.read()[0]] == ["/"]
    assert again.id != first
    assert again.taken_at == TAKEN + timedelta(minutes=2)
    assert len(drop.files("done/marks")) == 3


def test_a_file_that_was_killed_in_the_middle_is_no_place_in_the_same_file_that_arrives_later(tmp_path: Path) -> None:
    drop = Drop(tmp_path, rows_a_page="1")
    text = day("1") + "2,2025-09-10,AM,/\n"
    drop.write("marks.csv", text)
    drop.read()
    drop.write("marks.csv", text, TAKEN + timedelta(minutes=5))
    assert [mark["pupil_ref"] for mark in drop.read()[0]] == ["1", "2"]


# Where they go


def test_a_file_is_put_away_behind_its_last_page_and_a_refused_one_aside_with_the_reason(drop: Drop) -> None:
    drop.write("good.csv", day("1"))
    drop.write("bad.csv", "pupil_id,nothing\n1,2\n")
    drop.read()
    assert drop.files() == drop.files("taking") == []
    (done,) = drop.files("done/marks")
    assert done.startswith("20251105T080000000Z-")
    assert done.endswith("-good.csv")
    assert (
        drop.reason() == "bad.csv is refused: its first line names neither the columns of marks nor those of a roster\n"
    )


def test_refused_files_of_one_name_are_all_kept(drop: Drop) -> None:
    for content in ("x\n1\n", "y\n1\n", "z\n1\n"):
        drop.write("bad.csv", content)
        drop.read()
    refused = [name for name in drop.files("refused") if not name.endswith(".reason.txt")]
    assert {(drop.folder / "refused" / name).read_text()[0] for name in refused} == {"x", "y", "z"}


def test_a_file_without_rows_is_put_away(drop: Drop) -> None:
    drop.write("marks.csv", table(PLAIN))
    marks, said, bad = drop.read()
    assert (marks, bad) == ([], [])
    assert not said[0].refused
    assert drop.files("done/marks")


def test_what_was_not_acknowledged_is_read_again(drop: Drop) -> None:
    drop.write("marks.csv", day("1"))
    assert len(parts(drop.connector())) == 1
    assert drop.files("taking") == ["marks.csv"]
    assert len(drop.read()[0]) == 1


def test_check_tells_what_will_never_be_taken_and_what_will_be_refused_and_changes_nothing(tmp_path: Path) -> None:
    drop = Drop(tmp_path, names="marks*.csv")
    drop.write("marks.csv", "x\n1\n")
    drop.write("other.csv", day("1"))
    found = "; ".join(check(drop))
    assert "1 of its files have names that do not fit" in found
    assert "marks.csv will be refused" in found
    assert drop.files() == ["marks.csv", "other.csv"]
    drop.read()
    assert any("refused" in line for line in check(drop))


# Several schools in one folder


def test_a_shared_folder_gives_each_school_its_own_files_and_no_other(tmp_path: Path) -> None:
    drop = Drop(tmp_path, names="{school}_*.csv")
    (tmp_path / f"{SCHOOL}_1.csv").write_text(day("1"))
    (tmp_path / f"{SCHOOL}b_1.csv").write_text(day("2"))
    for file in tmp_path.glob("*.csv"):
        os.utime(file, (TAKEN.timestamp(), TAKEN.timestamp()))
    assert [mark["pupil_ref"] for mark in drop.read()[0]] == ["1"]
    assert drop.files("done/marks")
    assert [file.name for file in tmp_path.glob("*.csv")] == [f"{SCHOOL}b_1.csv"]


# Whole windows (rule 18)


def test_rule_18_a_file_is_whole_only_where_its_name_and_the_options_say_so(tmp_path: Path) -> None:
    for complete in ("yes", "no"):
        drop = Drop(tmp_path / complete, complete=complete, names="marks_{first_day}_{last_day}.csv; *.csv")
        drop.write("marks_2025-09-08_2025-09-12.csv", day("1"))
        drop.write("other.csv", day("1"))
        whole = [part.window for part in parts(drop.connector()) if part.complete]
        assert whole == ([Window(date(2025, 9, 8), date(2025, 9, 12))] if complete == "yes" else [])


def test_rule_18_a_day_outside_the_days_of_its_file_is_refused_and_not_dropped(tmp_path: Path) -> None:
    drop = Drop(tmp_path, complete="yes", names="marks_{first_day}.csv")
    drop.write("marks_20250910.csv", table(PLAIN, ("1", "2025-09-10", "AM", "/"), ("2", "2025-09-11", "AM", "/")))
    marks, (page,), _ = drop.read()
    assert [mark["pupil_ref"] for mark in marks] == ["1"]
    assert [one.reason for one in page.refused] == ["column date: it lies outside the days that the file's name says"]


def test_a_name_with_a_day_that_there_is_not_is_refused(tmp_path: Path) -> None:
    drop = Drop(tmp_path, names="marks_{first_day}_{last_day}.csv")
    drop.write("marks_2025-02-30_2025-03-01.csv", day("1"))
    assert drop.read()[0] == []
    assert "a date that there is not" in drop.reason()


def test_a_bounded_pull_finds_a_file_that_is_put_away_meanwhile(drop: Drop) -> None:
    drop.write("marks.csv", day("1"))
    made, window = drop.connector(), Window(date(2025, 9, 10), date(2025, 9, 10))

    async def beside_another() -> list[str]:
        (source,) = await made.discover()
        said = []
        async for part in made.parts(Pull("p", source, TAKEN, window=window)):
            await drop._read(None)
            assert drop.files("done/marks")
            said += [mark["pupil_ref"] async for page in made.pull(part) for mark in made.to_message(part, page).marks]
        return said

    assert asyncio.run(beside_another()) == ["1"]


def test_a_bounded_pull_says_what_every_file_says_of_those_days_and_moves_none(drop: Drop) -> None:
    drop.write("taken.csv", table(PLAIN, ("1", "2025-09-10", "AM", "/"), ("1", "2025-09-11", "AM", "/")))
    drop.read()
    drop.write("waiting.csv", day("1", "N"), TAKEN + timedelta(minutes=1))
    window = Window(date(2025, 9, 10), date(2025, 9, 10))
    for _ in range(2):
        assert [mark["code"] for mark in drop.read(window)[0]] == ["/", "N"]
    assert not any(part.complete for part in parts(drop.connector(), window)), "changes alone are never whole"
    assert drop.files() == ["waiting.csv"]
    assert len(drop.files("done/marks")) == 1
