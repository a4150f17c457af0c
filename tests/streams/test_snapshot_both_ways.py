"""The same day taken twice over real HTTP: by changes at the cuts in between, and whole at each. They say the same."""

from __future__ import annotations

import asyncio
import csv
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.snapshots.record import load
from connectors.snapshots.run import take
from connectors.snapshots.schedule import Cut, Schedule
from connectors.sources_file import SourcesFile
from rollcall.cli._coverage import coverage
from rollcall.cli._difference import difference
from rollcall.cli._strike import cut_of
from rollcall.domain.clock import now
from rollcall.settings import Settings
from sinks import reference, strike
from tests.connectors.installation import define
from tests.connectors.mis import TOKEN, FakeWonde, Trouble, mark
from tests.reference.conftest import applied, calendar, pupil, roster, school
from tests.streams.messages import DAY
from tests.streams.rig import Rig

BY_CHANGES, WHOLE = 730_001, 730_002
#: A cut takes some tenths of a second.
APART = timedelta(seconds=3)
SESSIONS, LESSONS, DELETIONS, CODES = (
    f"A1/{name}" for name in ("attendance/session", "attendance/lesson", "deletions", "attendance-codes")
)
Held = dict[str, list[dict[str, Any]]]


def hours(at: list[datetime]) -> list[Held]:
    """What the school's system holds from each cut on: amended, withdrawn, new, twice, deleted, said before, closed."""
    codes = [{"id": f"C{code}", "code": code} for code in "/NL-"]
    before = at[0] - timedelta(hours=1)
    whole = {f"r{n}": mark(n, _changed=before) for n in range(8)}
    whole["r4"]["_changed"] = at[0]  # so close to the first cut that it is said again at the second
    whole["r1"]["attendance_code"] = whole["r2"]["attendance_code"] = "CN"
    whole["r9"] = mark(99, _changed=before)  # of a pupil whom no roster knows
    lesson = mark(3, id="L3", period="P8", _changed=before)
    first: Held = {SESSIONS: list(whole.values()), LESSONS: [lesson], DELETIONS: [], CODES: codes}
    first["A1/periods"] = [{"id": "P8", "name": "Mon:1"}]

    def gone(record: str, when: datetime) -> dict[str, Any]:
        return {"id": record, "type": "attendance/session", "_changed": when}

    second = {**whole, "r1": {**whole["r1"], "attendance_code": "CI", "_changed": at[1]}}  # a code the list has since
    second["r2"] = {**whole["r2"], "attendance_code": "C-", "_changed": at[1]}
    second["r10"] = mark(4, id="R10", session="PM", _changed=at[1])
    second["r11"] = mark(5, id="R11", _changed=at[1])
    del second["r3"]
    more = [*codes, {"id": "CI", "code": "I"}, {"id": "CY", "code": "Y4"}]
    deleted = [gone(whole["r3"]["id"], at[1]), gone("never-heard-of", at[1])]
    then: Held = {**first, SESSIONS: list(second.values()), DELETIONS: deleted, CODES: more}

    third = {key: {**one, "attendance_code": "CY", "_changed": at[2]} for key, one in second.items()}
    third["r1"]["attendance_code"] = "CN"  # as it was at the first
    del third["r11"]
    third["r12"] = mark(3, id="R12", attendance_code="CY", _changed=at[2])
    deleted = [*deleted, gone("R11", at[2])]
    closed: Held = {**first, SESSIONS: list(third.values()), LESSONS: [], DELETIONS: deleted, CODES: more}
    closed[DELETIONS] = [*deleted, {**gone("L3", at[2]), "type": "attendance/lesson"}]
    last = {**closed, SESSIONS: [one for one in closed[SESSIONS] if one["id"] != "R10"]}
    return [first, then, closed, {**last, DELETIONS: [*closed[DELETIONS], gone("R10", at[3])]}]


class HourByHour(FakeWonde):
    """Holds from each cut on what it holds then."""

    def __init__(self, cuts: tuple[Cut, ...]) -> None:
        super().__init__(per_page=5)
        self.begins = [cut.at for cut in cuts]
        self.hours = hours(self.begins)

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> Trouble:
        at = now()
        self.held = self.hours[max(0, sum(begins <= at for begins in self.begins) - 1)]
        return super().answer(path, query, headers)


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    """What is closed when the test is over."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.timeout(300)
def test_a_day_by_changes_says_what_a_day_read_whole_says(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: ExitStack
) -> None:
    monkeypatch.setenv("GOOD_TOKEN", TOKEN)
    told = rig.settings_with().model_dump(include={"kafka", "registry", "clickhouse"})
    settings = Settings.load(home=tmp_path, **told)
    pupils = [pupil(f"wonde:A1{n:05d}") for n in range(8)]
    for urn in (BY_CHANGES, WHOLE):
        facts = [("school", school(urn)), ("roster", roster(urn, *pupils)), ("calendar", calendar(urn))]
        reference.apply(rig.client, [applied(kind, fact) for kind, fact in facts])  # type: ignore[arg-type]
    begin = now().replace(microsecond=0) + timedelta(seconds=2)
    cuts = tuple(Cut(f"{9 + n:02d}:00", begin + n * APART) for n in range(4))
    mis = ends.enter_context(closing(HourByHour(cuts)))
    file = SourcesFile(settings.sources_file)
    define(file, "by-changes", mis, ("A1", BY_CHANGES))
    define(file, "whole", mis, ("A1", WHOLE))
    schedule = Schedule("by-changes", DAY, cuts, APART, ("by-changes",), DAY)
    other = replace(schedule, name="whole", sources=("whole",), whole_every=1)

    async def both() -> None:
        await asyncio.gather(*(take(settings, one, overlap=timedelta(seconds=1)) for one in (schedule, other)))

    with rig.worker():
        asyncio.run(both())
        taken = {urn: load(settings, one.name) for urn, one in ((BY_CHANGES, schedule), (WHOLE, other))}
        # What was done: nothing answered late, and only the cuts in between of the one were asked for changes.
        asked = {urn: [coverage(one, record) for record in one.cuts] for urn, one in taken.items()}
        assert [found["asked_for_changes"] for found in asked[BY_CHANGES]] == [0, 1, 1, 0]
        assert [found["asked_for_changes"] for found in asked[WHOLE]] == [0, 0, 0, 0]
        assert all(found["whole"] for of in asked.values() for found in of)
        assert asked[BY_CHANGES][1]["marks"] < asked[WHOLE][1]["marks"]
        held = {urn: [found["held"] for found in of] for urn, of in asked.items()}
        assert held[BY_CHANGES] == held[WHOLE] == [10, 11, 10, 9]

        def difference_of(urn: int, earlier: int, later: int) -> Any:
            found = difference(rig.client, taken[urn], cuts[earlier], cuts[later])
            assert all(one["urn"] == urn for one in found["changes"])
            kept = {key: [{**one, "urn": 0, "source": ""} for one in found[key]] for key in ("changes", "by_school")}
            return {**found, **kept, "name": "", "known_at": []}

        while not difference_of(BY_CHANGES, 2, 3)["final"] or not difference_of(WHOLE, 2, 3)["final"]:
            time.sleep(0.1)
    for later in range(1, 4):
        for earlier in range(later):
            by_changes, whole = (difference_of(urn, earlier, later) for urn in (BY_CHANGES, WHOLE))
            assert by_changes["marks"]
            assert by_changes == whole, f"cut {earlier} to {later}"

    # The strike table of a cut, as known then: open at the second, all but one told to stay away at the third.
    def at_cut(urn: int, number: int) -> dict[str, str]:
        cut = cut_of(rig.client, taken[urn], cuts[number].label, (), None)
        strike.publish(rig.client, cut, (), tmp_path / "table.csv")
        with (tmp_path / f"table.csv{strike.SCHOOLS}").open(encoding="utf-8") as rows:
            (row,) = [row for row in csv.DictReader(rows) if row["urn"] == str(urn)]
        return {**row, "urn": ""}

    for number, status in ((1, "open"), (2, "restricted")):
        by_changes = at_cut(BY_CHANGES, number)
        assert by_changes == at_cut(WHOLE, number)
        assert by_changes["status"] == status

    # Current marks and history, row by row; of what was refused, the unknown pupil once and not at each cut.
    def rows_of(urn: int, statement: str) -> Counter[Any]:
        return Counter(map(tuple, rig.client.query(f"{statement} WHERE urn = {urn}").result_rows))

    current = "SELECT toString(session), canonical_code, minutes_late, m.is_mark FROM mark_current AS m FINAL"
    history = "SELECT record_id, toString(session), period, raw_code, deleted, superseded FROM mark_event FINAL"
    for statement in (current, history):
        assert rows_of(BY_CHANGES, statement) == rows_of(WHOLE, statement)
    assert not [one for one in rows_of(BY_CHANGES, history) if "never" in one[0]]
    # No page claims a whole day that was not read: receipts of changes are of the day, and not complete.
    receipts = rows_of(BY_CHANGES, "SELECT DISTINCT snapshot, complete, session_date, window_to FROM register_receipt")
    assert sorted(receipts) == [
        (schedule.label(cut), number in (0, 3), DAY, DAY) for number, cut in enumerate(cuts)
    ]  # fmt: skip
    rig.check()
