"""Publishing what codes count as: what is refused and where, one sequence of numbers, and loaders that are killed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from connectors.categories import TOPIC, read, written
from rollcall.cli.app import build
from rollcall.domain.categories import (
    BUILT_IN,
    CATEGORIES,
    CategoryRow,
    applies_from,
    changed_spans,
    check,
    differences,
    on,
)
from rollcall.errors import UsageError
from rollcall.settings import Settings
from sinks import reference
from sinks.categories import in_force, versions
from tests.reference.conftest import TAKEN, Cut, Publish, applied, code_map

DAY = date(2025, 9, 10)
EVE = DAY - timedelta(days=1)
#: X is authorised from the day on.
LATER = (
    *(row for row in BUILT_IN if row.code != "X"),
    CategoryRow("X", "not_possible", None, EVE), CategoryRow("X", "authorised_absence", DAY),
)  # fmt: skip


def document(rows: Any = LATER, **told: Any) -> dict[str, Any]:
    return {
        "published_at": TAKEN,
        "author": "data manager",
        "reason": "test",
        **told,
        "rows": [r._asdict() for r in rows],
    }


def counted(client: Any, code: str = "X") -> list[tuple[str, date]]:
    """(category, from when on) of a code, as the views have it."""
    rows = client.query(
        "SELECT toString(category), applies_from FROM code_categories WHERE canonical_code = {code:String} ORDER BY 2",
        parameters={"code": code},
    ).result_rows
    return [(str(category), first) for category, first in rows]


def test_a_document_is_in_force_whole_and_a_later_one_replaces_it(clickhouse: Any) -> None:
    assert (in_force(clickhouse).version, counted(clickhouse)) == (0, [("not_possible", date(1970, 1, 1))])
    assert in_force(clickhouse).rows == BUILT_IN
    reference.apply(clickhouse, [applied("code-map", code_map("local", 1, ("9", "Y")))])
    reference.apply(clickhouse, [applied("code-category", document())])
    assert in_force(clickhouse).version == 2, "one sequence with the maps"
    assert counted(clickhouse) == [("not_possible", date(1970, 1, 1)), ("authorised_absence", DAY)]
    assert counted(clickhouse, "K") == [("approved_educational_activity", date(1970, 1, 1))], "rule 4"
    assert clickhouse.query("SELECT count() FROM code_categories").first_row == (len(BUILT_IN) + 1,)
    later = document(BUILT_IN, published_at=TAKEN + timedelta(hours=1))
    reference.apply(clickhouse, [applied("code-category", later)])
    assert (in_force(clickhouse).version, counted(clickhouse)) == (3, [("not_possible", date(1970, 1, 1))])
    assert in_force(clickhouse, TAKEN).version == 2
    listed = "SELECT version, is_latest, count(), uniq(author) FROM code_category_versions GROUP BY ALL ORDER BY ALL"
    assert clickhouse.query(listed).result_rows == [(0, False, 39, 1), (2, False, 40, 1), (3, True, 39, 1)]


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_killed_loader_gives_the_document_one_number(clickhouse: Any, cut: int) -> None:
    batch = [applied("code-category", document())]

    with pytest.raises(ConnectionResetError):
        reference.apply(Cut(clickhouse, cut), batch)  # type: ignore[arg-type]
    assert sum(reference.apply(clickhouse, batch)) == 1
    assert [one.version for one in versions(clickhouse)] == [0, 1]
    assert counted(clickhouse) == [("not_possible", date(1970, 1, 1)), ("authorised_absence", DAY)]


def test_the_loader_refuses_what_the_command_refuses(
    settings: Settings, clickhouse: Any, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(TOPIC, document([row for row in LATER if row.code != "C2"]))
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    assert CliRunner().invoke(build(), ["reference", "run", "--once"]).exit_code == 0
    details = clickhouse.query(
        "SELECT detail FROM quarantine FINAL WHERE reason = 'not_to_be_applied' AND topic = {topic:String}",
        parameters={"topic": TOPIC},
    ).result_rows
    assert any("no row says what C2 counts as" in detail for (detail,) in details)
    assert in_force(clickhouse).rows != LATER


HEAD = "code,category,valid_from,valid_to,label\n"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("X,authorized_absence,,,\n", "line 40: 'authorized_absence' is no category; there are attending, "),
        ("XX,attending,,,\n", "line 40: 'XX' is no national code"),
        ("X,not_possible,,2025-09-10,\nX,attending,2025-09-10,,\n",
         "line 41: X counts as attending on 2025-09-10, and by line 40 as not_possible: periods of one code"),
        ("X,not_possible,2025-09-10,2025-09-09,\n", "line 40: X ends on 2025-09-09, before it begins"),
        ("X,missing,,,\n", "line 40: X as missing: - is no mark and always missing"),
        ("X,not_possible,10/09/2025,,\n", "line 40: a date is written YYYY-MM-DD"),
        ("", "no row says what X counts as: a document is published whole"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path: Path, lines: str, complaint: str) -> None:
    file = tmp_path / "categories.csv"
    file.write_text(written(row for row in BUILT_IN if row.code != "X") + lines, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        read(file)
    assert complaint in str(refused.value)


def test_what_is_written_is_read_and_columns_that_say_nothing_may_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "categories.csv"
    file.write_text(written(LATER), encoding="utf-8")
    assert set(read(file)) == set(LATER)
    file.write_text("code,category\n" + "".join(f"{row.code},{row.category}\n" for row in BUILT_IN), encoding="utf-8")
    assert [row.category for row in read(file)] == [row.category for row in BUILT_IN]
    file.write_text("code\nX\n", encoding="utf-8")
    with pytest.raises(UsageError, match="first line must name the columns code and category"):
        read(file)


@given(st.data())
def test_spans_are_the_dates_on_which_two_documents_say_otherwise(data: st.DataObject) -> None:
    """And of every date each says one category of every code, whatever the gaps between its rows (rule 4)."""
    day = st.dates(date(2025, 8, 25), date(2025, 9, 15))

    def drawn() -> list[CategoryRow]:
        days = sorted(data.draw(st.sets(day, max_size=6)))
        words = st.sampled_from([word for word in CATEGORIES if word != "missing"])
        spans = [(days[n], days[n + 1] if data.draw(st.booleans()) else None) for n in range(0, len(days) - 1, 2)]
        closed = [(one, last or one) for one, last in spans]
        rows = [CategoryRow("X", data.draw(words), one, last) for one, last in closed] or [
            CategoryRow("X", "attending")
        ]
        return [*(row for row in BUILT_IN if row.code != "X"), *rows]

    before, after = drawn(), drawn()
    check(before)
    check(after)
    spans = changed_spans(before, after)
    for number in range(40):
        one = date(2025, 8, 20) + timedelta(days=number)
        was, becomes = on(before, one)["X"].category, on(after, one)["X"].category
        told = [(span.was, span.becomes) for span in spans if span.first_day <= one <= span.last_day]
        assert told == ([(was, becomes)] if was != becomes else [])
    assert changed_spans(before, before) == []
    assert differences(before, before) == ((), (), ())
    assert next(first for row, first in applies_from(after) if row.code == "X") == date(1970, 1, 1)
