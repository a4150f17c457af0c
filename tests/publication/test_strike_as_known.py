"""A cut's table says what was known at its instant, byte for byte, whatever comes later and whoever answers late."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

from connectors.snapshots.record import load
from rollcall.cli._strike import cut_of
from rollcall.domain.codes import CODES
from rollcall.domain.strike import rule_of
from rollcall.errors import ClickHouseError
from rollcall.settings import Settings
from sinks.derive import rederive
from sinks.strike import Cut, publish, schools
from tests.publication.strike_day import Day
from tests.sinks import rows as db_rows

AFTER = date(2025, 9, 10)
#: When a cut was known, of marks that came an hour before.
KNOWN = db_rows.ARRIVED + timedelta(hours=1)


def rows_at(hours: int) -> datetime:
    """So many hours after marks of tests arrive."""
    return db_rows.ARRIVED + timedelta(hours=hours)


def at_noon(client: Any, folder: Path, at: datetime = KNOWN) -> tuple[bytes, ...]:
    """What is published of a cut that was known at an instant: table, schools, and the manifest but for when."""
    file = folder / "noon.csv"
    publish(client, Cut(AFTER, "12:00", at, by_then=True), (), file)
    manifest = json.loads(file.with_name("noon.csv.manifest.json").read_text(encoding="utf-8"))
    del manifest["written_at"]
    return file.read_bytes(), file.with_name("noon.csv.schools.csv").read_bytes(), json.dumps(manifest).encode()


def test_a_cut_is_published_as_it_was_known_whatever_came_later(
    clickhouse: Any, settings: Settings, tmp_path: Path
) -> None:
    """Marks, redeliveries, a roster and a code map come after the cut: the same three files, byte for byte."""
    known_from = {"known_from": db_rows.TAKEN}
    db_rows.code_map(clickhouse, {code.code: code.code for code in CODES if code.code != "Y3"}, **known_from)
    for urn in (100001, 100002, 100003):
        db_rows.school(clickhouse, urn, **known_from)
        db_rows.roster(clickhouse, urn, [db_rows.pupil(urn * 10 + n) for n in range(2)], **known_from)

    def came(urn: int, codes: str, hours: int, **facts: Any) -> None:
        batch = next(batches)
        db_rows.history(
            clickhouse,
            [
                db_rows.mark(urn * 10 + n, code, urn=urn, offset=batch, item=n, batch=batch,
                             asserted_at=rows_at(hours), ingested_at=rows_at(hours), **facts)
                for n, code in enumerate(codes.split())
            ],
        )  # fmt: skip

    batches = iter(range(1, 100))
    came(100001, "/ /", 0)
    came(100002, "Y4 Y4", 0)
    came(100003, "Y3 Y3", 0)
    first = at_noon(clickhouse, tmp_path)
    assert [school.split(b",")[6] for school in first[1].splitlines()[1:]] == [b"open", b"closed", b"unknown"]

    # Where nothing came later there is nothing to look up: a user who may not make a database of the past will do.
    came(100003, "/ /", 3, source_kind="kiosk", source="kiosk")
    options = {**settings.clickhouse.client_options(), "username": "reader"}
    with clickhouse_connect.get_client(**options, database=settings.clickhouse.database) as reader:
        assert at_noon(reader, tmp_path) == first
        came(100002, "/ /", 3)
        with pytest.raises(ClickHouseError, match="which this user may not create"):
            at_noon(reader, tmp_path)
    again = clickhouse.query("SELECT * REPLACE (ingested_at + INTERVAL 2 DAY AS ingested_at) FROM mark_event FINAL")
    clickhouse.insert("mark_event", again.result_rows, column_names=again.column_names)
    assert at_noon(clickhouse, tmp_path) == first
    db_rows.roster(clickhouse, 100001, [], taken_at=rows_at(4))
    assert at_noon(clickhouse, tmp_path) == first
    entries = {code.code: code.code for code in CODES}
    db_rows.code_map(clickhouse, entries, version=2, published_at=rows_at(5), known_from=rows_at(5))
    rederive(clickhouse)
    assert at_noon(clickhouse, tmp_path) == first
    later = at_noon(clickhouse, tmp_path, rows_at(6))
    assert [school.split(b",")[6] for school in later[1].splitlines()[1:]] == [b"open", b"open", b"restricted"]
    standing = [one.status for one in schools(clickhouse, AFTER, rule_of(AFTER))]
    assert standing == ["unknown", "open", "restricted"]


def test_a_session_that_begins_after_the_cut_is_not_in_it(clickhouse: Any, tmp_path: Path) -> None:
    known_from = {"known_from": db_rows.TAKEN}
    db_rows.code_map(clickhouse, {code.code: code.code for code in CODES}, **known_from)
    db_rows.school(clickhouse, 100001, **known_from)
    db_rows.roster(clickhouse, 100001, [db_rows.pupil(1)], **known_from)
    db_rows.registers(clickhouse, 100001, {}, **known_from)
    two_days_before = datetime(2025, 9, 8, 9, tzinfo=UTC)
    db_rows.history(clickhouse, [db_rows.mark(1, "Y4", ingested_at=two_days_before, asserted_at=two_days_before)])
    for minute, status in ((44, b"unknown"), (45, b"closed")):
        _, of_schools, _ = at_noon(clickhouse, tmp_path, datetime(2025, 9, 10, 7, minute, tzinfo=UTC))
        assert of_schools.splitlines()[1].split(b",")[6] == status


def test_who_answers_when_the_cut_is_known_had_not_answered(clickhouse: Any, settings: Settings) -> None:
    day = Day(settings, "strike-late", AFTER, 1)
    label = day.cut(0, [100001], silent=[100002])
    first = cut_of(clickhouse, load(settings, "strike-late"), label, (), None)
    assert first.stands == {100001: "answered", 100002: "failed"}
    assert (first.facts["coverage"]["counts"]["silent"], first.waiting) == (1, [])
    day.answers_late(0, 100002)
    taken = load(settings, "strike-late")
    assert taken.cuts[0].schools["classroom", "100002"].outcome == "late"
    assert cut_of(clickhouse, taken, label, (), None) == first
