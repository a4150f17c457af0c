"""The CSV drop keeps the contract of connectors. A page of this source is a file: the whole export of one day."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.connectors.conftest import ReadTopic
from tests.connectors.contract import BEGAN, UPN, ConnectorContract, MadeSource, Pulls, Said, _ids, _run
from tests.connectors.drops import Drop, ordinary_rights, table

MIS = "attendance.mis.v1"
_HEADINGS = ("PersonID", "Surname", "AttendanceDate", "SessionName", "AttendanceMark", "Comments")


class CsvSource(MadeSource):
    """One school's folder. Its exporter writes a whole file of a day whenever a mark of the day changes."""

    def __init__(self, marks: Sequence[Said], folder: Path, urn: int) -> None:
        options = {"names": "marks_{first_day}_*.csv; roster.csv", "complete": "yes"}
        self.drop = Drop(folder, urn, **options)
        self.marks = {mark.record: mark for mark in marks}
        self.written = 0
        for day in dict.fromkeys(mark.day for mark in marks):
            self._export(day, BEGAN)
        roster = table(
            ("PersonID", "UPN", "Forename", "DOB", "Year Group", "Reg Form", "Admission Date"),
            ("6420", UPN, "Forename-nowhere", "2013-10-01", "Year 7", "7A", "2024-09-03"),
        )
        self.drop.write("roster.csv", roster, BEGAN)
        super().__init__("tests.connectors.drops:connector", folder=str(folder), urn=urn, options=options)

    def _export(self, day: object, changed: datetime) -> None:
        self.written += 1
        rows = [
            ("6420", "Surname-nowhere", one.day.isoformat(), one.session, one.code, "Remark, no further")
            for one in self.marks.values()
            if one.day == day
        ]
        self.drop.write(f"marks_{day}_{self.written}.csv", table(_HEADINGS, *rows), changed)

    def say(self, mark: Said, changed: datetime) -> None:
        self.marks[mark.record] = mark
        self._export(mark.day, changed)

    def remove(self, record: str, changed: datetime) -> None:
        self._export(self.marks.pop(record).day, changed)

    def refuse(self) -> None:
        self.drop.folder.chmod(0)

    def let_in(self) -> None:
        """The right is given back."""
        self.drop.folder.chmod(0o700)

    def break_page(self, number: int) -> None:
        """The file of the day that stands there (or its latest, put back to where it arrived) has a byte that is none
        of any encoding."""
        day = list(dict.fromkeys(mark.day for mark in self.marks.values()))[number]
        held = sorted(self.drop.folder.glob(f"marks_{day}_*.csv"))[-1]
        changed = held.stat()
        held.write_bytes(held.read_bytes().replace(b"Surname", b"S\x81rname\xe9"))
        os.utime(held, ns=(changed.st_atime_ns, changed.st_mtime_ns))

    def kept_aside(self, reason: Path) -> bytes:
        (file,) = [one for one in (self.drop.folder / "refused").iterdir() if not one.name.endswith(".reason.txt")]
        return file.read_bytes()

    def repeat(self) -> None:
        """The same file arrives twice."""
        first = self.drop.folder / f"marks_{self.marks['r1'].day}_1.csv"
        self.drop.write(f"marks_{self.marks['r1'].day}_1 (2).csv", first.read_bytes(), BEGAN)


class TestCsvDrop(ConnectorContract):
    never_said = ("Remark, no further", "nowhere", "2013-10-01", UPN)
    tells_deletions = False
    days_are_whole = True
    begins_again = False
    refusal_names = "may not be read"
    keeps_bytes = False

    @pytest.fixture(autouse=True)
    def _rights(self) -> Iterator[None]:
        """From the beginning of the test, so that every thread of it is bound by them."""
        with ordinary_rights():
            yield

    def id_of(self, mark: Said) -> str:
        return f"{mark.day}-{mark.session}-6420"

    def source_with(self, marks: Sequence[Said], tmp_path: Path, urn: int) -> CsvSource:
        return CsvSource(marks, tmp_path / "drop", urn)

    def test_rule_27_a_folder_that_may_not_be_read_stops_the_school_until_somebody_gives_the_right(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int
    ) -> None:
        """What 401 and 403 are for an API."""
        made = pulls.made
        assert isinstance(made, CsvSource)

        async def steps() -> None:
            await pulls.pull()
            cursor, before = pulls.cursor, _ids(read_topic(MIS, urn))
            made.say(replace(self.marks[0], code="N"), BEGAN + timedelta(minutes=5))
            made.refuse()
            pulls.sources = list(await made.connector.discover())
            pulls.now += timedelta(minutes=1)
            pulled = await pulls.pull()
            assert (pulled.outcome, pulled.refused) == ("stopped", 0)
            assert "may not be read" in pulled.why
            assert pulls.cursor == cursor
            pulls.sources = list(await made.connector.discover())
            assert (await pulls.pull()).outcome == "stopped"
            made.let_in()
            pulls.sources = list(await made.connector.discover())
            assert (await pulls.pull()).outcome == "pulled"
            assert _ids(read_topic(MIS, urn)) == [*before, *self.ids("r1", "r2")]

        _run(made, steps())

    def test_a_folder_that_is_not_there_fails_the_pull_and_the_next_one_has_all(
        self, pulls: Pulls, read_topic: ReadTopic, urn: int
    ) -> None:
        """What a server that is away is for an API: a share that is not mounted."""
        made = pulls.made
        assert isinstance(made, CsvSource)
        away = made.drop.folder.with_name("unmounted")

        async def steps() -> None:
            made.drop.folder.rename(away)
            pulled = await pulls.pull()
            assert (pulled.outcome, pulls.cursor) == ("failed", None)
            assert "is not there" in pulled.why
            away.rename(made.drop.folder)
            assert (await pulls.pull()).outcome == "pulled"

        _run(made, steps())
        assert _ids(read_topic(MIS, urn)) == self.ids()
