"""As at an instant: the answer of that evening is given again eight weeks later, byte for byte, whatever came since.

What is it: acceptance fact 12 of the domain facts. When does it matter: a published figure is asked for again in a
year, and a number that moved is to be explained by what became known, not by chance. How to resolve: an answer that
changed names a table whose rows of the past changed (sinks/sql/as_at_tables.sql).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from click.testing import Result
from clickhouse_connect.driver.exceptions import DatabaseError
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain.categories import BUILT_IN as CATEGORIES
from rollcall.domain.clock import LONDON, OPEN_END, OPEN_START, now
from rollcall.domain.codes import CODES
from rollcall.domain.lesson_rules import LessonRule
from rollcall.domain.pupil_aliases import merge
from rollcall.domain.source_rules import BUILT_IN, SourceRule
from rollcall.errors import ClickHouseError, UsageError
from rollcall.settings import Settings
from sinks import reference
from sinks.as_at import NO_PAST, known, opened, settled, sweep
from sinks.derive import derive_lives, rederive, rederive_aliases, rederive_lessons, rederive_rules
from sinks.erasure import erase
from tests.reference.conftest import applied, calendar, code_map, pupil, roster, school
from tests.sinks import rows

#: Schools that send on the day, and one that is late.
PROMPT, LATE = (100001, 100002), 100003
#: Views of the crosswalk, of the archive and of who may see what, which have none.
WITHOUT_A_PAST = {"messages_archived", "quality_duplicate_ids", "schools_in_scope"}
SCHOOLS = (*PROMPT, LATE)
PUPILS = 20
#: Five editions, two weeks apart: the evening of the day, and until eight weeks later.
EDITIONS = [rows.ARRIVED + timedelta(days=14 * number, hours=9) for number in range(5)]
EVENING = EDITIONS[0]
DAY = rows.DAY


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `rollcall ...` against this test's database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    return lambda *arguments: CliRunner().invoke(build(), list(arguments))


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """Three schools of one class, known before term; of two of them the day's marks, which came in the morning."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES}, known_from=rows.TAKEN)
    for urn in SCHOOLS:
        rows.school(clickhouse, urn, known_from=rows.TAKEN)
        rows.roster(clickhouse, urn, [rows.pupil(urn * 100 + n) for n in range(PUPILS)], known_from=rows.TAKEN)
        rows.registers(clickhouse, urn, {}, {"session": "PM", "opens_at": "13:00"}, known_from=rows.TAKEN)
        rows.calendar(clickhouse, urn, known_from=rows.TAKEN)
    for urn in PROMPT:
        came(clickhouse, 0, urn, "//////////////IIONNN")
    return clickhouse


_batch = iter(range(1, 1_000_000))


def came(
    client: Any, edition: int, urn: int, codes: str, pupils: range | list[int] | None = None, **facts: Any
) -> None:
    """Marks of a school's pupils, one after another, made and taken in on the day of an edition."""
    batch = next(_batch)
    at = rows.ARRIVED + timedelta(days=14 * edition)
    rows.history(
        client,
        [
            rows.mark(
                urn * 100 + n, code, urn=urn, batch=batch, offset=batch * 100 + n,
                **{"ingested_at": at, "asserted_at": at - timedelta(minutes=5), **facts},
            )
            for n, code in zip(range(PUPILS) if pupils is None else pupils, codes, strict=True)
        ],
    )  # fmt: skip


def london(at: datetime) -> str:
    """An instant as a person types it."""
    return f"{at.astimezone(LONDON):%Y-%m-%d %H:%M}"


def answers(run: Callable[..., Result], folder: Path, at: datetime | None = None) -> dict[str, bytes]:
    """Every report, as the bytes that it prints or writes."""
    known_at = [] if at is None else ["--as-at", london(at)]
    day, week = DAY.isoformat(), ["--from", DAY.isoformat(), "--to", (DAY + timedelta(days=2)).isoformat()]
    found = {
        " ".join(asked): run(*asked, *known_at)
        for asked in (
            ["report", "day", "--date", day, "--all", "--by", "school", "--json"],
            *(["ask", one, *week, "--json"] for one in ("conflicts", "unexplained")),
        )
    }
    out = folder / "published.csv"
    found["publish"] = run("publish", "attendance", *week, "--out", str(out), "--suppression", "none", *known_at)
    assert {name: result.output for name, result in found.items() if result.exit_code} == {}
    manifest = json.loads(out.with_name(f"{out.name}.manifest.json").read_text(encoding="utf-8"))
    del manifest["written_at"]
    return {
        **{name: result.stdout_bytes for name, result in found.items()},
        "published.csv": out.read_bytes(),
        "manifest": json.dumps(manifest).encode(),
    }


def figures(found: dict[str, bytes]) -> dict[str, Any]:
    """The totals of the day."""
    report = json.loads(next(text for name, text in found.items() if name.endswith("school --json")))
    total: dict[str, Any] = report["total"]
    return total


def counts(client: Any, at: datetime) -> dict[str, int]:
    """Canonical code -> marks, as at an instant."""
    question = "SELECT canonical_code, toUInt64(sum(marks)) FROM session_counts GROUP BY canonical_code"
    with opened(client, at, DAY, DAY, asks=[question]) as then:
        return {str(code): int(marks) for code, marks in then.query(question).result_rows}


#: What reference data changes: counts by scope and phase, conflicts, schools, rolls, and what is expected.
QUESTIONS = (
    "SELECT canonical_code, category, in_headline, phase, toUInt64(sum(marks)) FROM session_counts GROUP BY ALL"
    " ORDER BY ALL",
    "SELECT urn, source, loser_source, rule, count() FROM marks_conflicting GROUP BY ALL ORDER BY ALL",
    "SELECT * FROM schools ORDER BY ALL",
    "SELECT * FROM roll ORDER BY ALL",
    "SELECT * FROM registers_expected WHERE session_date = '2025-09-10' ORDER BY ALL",
)


def seen(client: Any) -> list[Any]:
    """What a client says to each question."""
    return [client.query(question).result_rows for question in QUESTIONS]


def test_the_evening_and_eight_weeks_later_are_both_reproducible_and_drift_as_published(
    db: Any, run: Callable[..., Result], tmp_path: Path
) -> None:
    """Five editions with the shape of those of week 37 of 2025: more schools and sessions, N falls and most of it
    becomes I, O rises first and falls then, absence and unauthorised absence fall."""
    first = answers(run, tmp_path, EVENING)
    came(db, 1, LATE, "/////////////////IOO")
    came(db, 1, PROMPT[0], "I", [17])
    came(db, 1, PROMPT[1], "-", [0])
    came(db, 2, PROMPT[0], "I", [18])
    came(db, 2, PROMPT[1], "I", [17])
    came(db, 3, LATE, "I", [19])
    came(db, 3, PROMPT[1], "L", [18])
    came(db, 4, PROMPT[0], "L", [19])
    drift = [counts(db, at) for at in EDITIONS]
    assert [one.get("N", 0) for one in drift] == [6, 5, 3, 2, 1]
    assert [one["O"] for one in drift] == [2, 4, 4, 3, 3]
    assert [one["I"] for one in drift] == [4, 6, 8, 9, 9]
    assert [sum(one.values()) for one in drift] == [40, 59, 59, 59, 59]
    absent = [(one.get("N", 0) + one["O"] + one["I"]) / sum(one.values()) for one in drift]
    assert absent == sorted(absent, reverse=True)
    last = answers(run, tmp_path, EDITIONS[-1])
    evening, later = figures(first), figures(last)
    assert [(one["schools"], one["possible"], one["unauthorised"]) for one in (evening, later)] == [
        (2, 40, 8),
        (3, 59, 4),
    ]

    # Then what must not move the past: the same deliveries again, marks withdrawn and lessons later, and merges.
    again = db.query(
        "SELECT * REPLACE (ingested_at + INTERVAL 70 DAY AS ingested_at, 9 AS batch) FROM mark_event FINAL"
    )
    db.insert("mark_event", again.result_rows, column_names=again.column_names)
    came(db, 5, PROMPT[0], "-" * PUPILS)
    came(db, 5, PROMPT[1], "O", [3], period="P1")
    for table in ("mark_event", "mark_current", "school_session", "register_receipt", "reference_version"):
        db.command(f"OPTIMIZE TABLE {table} FINAL")
    assert answers(run, tmp_path, EVENING) == first
    assert answers(run, tmp_path, EDITIONS[-1]) == last
    assert [counts(db, at) for at in EDITIONS] == drift
    assert db.query("SELECT sum(possible) FROM session_counts").first_row == (39,)


def test_every_report_names_its_instant_its_map_and_its_rules(
    db: Any, run: Callable[..., Result], tmp_path: Path
) -> None:
    found = answers(run, tmp_path, EVENING)
    said = {
        "as_at": "2026-02-02T18:00:00Z",
        "code_map_version": 1,
        "categories_version": 0,
        "rules_version": 0,
        "lesson_rules_version": 0,
    }
    for name, text in found.items():
        if name.endswith("--json") or name == "manifest":
            assert said.items() <= json.loads(text).items(), name
    words = "As known at 2026-02-02 18:00 (London), by code map 1, rules built in."
    assert words in run("report", "day", "--date", "2025-09-10", "--as-at", "2026-02-02 18:00").stdout
    assert words in run("ask", "late", "--from", "2025-09-10", "--as-at", "2026-02-02T18:00:00+00:00").stdout
    today = run("report", "day", "--date", "2025-09-10")
    assert "As known now, by code map 1, rules built in." in today.stdout


def test_an_instant_without_offset_is_london_time_rule_8(db: Any, run: Callable[..., Result]) -> None:
    came(db, 12, LATE, "/" * PUPILS)  # 20 July 2026 09:00 UTC is 10:00 in London
    asked = ["report", "day", "--date", "2025-09-10", "--json", "--as-at"]
    assert json.loads(run(*asked, "2026-07-20 09:59").stdout)["total"]["schools"] == 2
    assert json.loads(run(*asked, "2026-07-20 10:00").stdout)["total"]["schools"] == 3
    assert json.loads(run(*asked, "2026-07-20T09:00:00Z").stdout)["total"]["schools"] == 3
    assert isinstance(run(*asked, "some day").exception, UsageError)


def a_code_map(client: Any) -> None:
    entries = {**{code.code: code.code for code in CODES}, "I": "O"}
    reference.apply(client, [applied("code-map", code_map("national", 2, *entries.items(), published_at=now()))], {})
    assert rederive(client) == 1


def categories(client: Any) -> None:
    rows = [row if row.code != "O" else row._replace(category="not_possible") for row in CATEGORIES]
    told = {"published_at": now(), "author": "data manager", "reason": "test"}
    reference.apply(client, [applied("code-category", {**told, "rows": [row._asdict() for row in rows]})], {})


def rules(client: Any) -> None:
    mine = SourceRule("register_is_right", 40, source_kind="register", code_class="definite")
    message = {
        "published_at": now(), "author": "data manager", "reason": "test",
        "rules": [{**rule._asdict(), "codes": list(rule.codes)} for rule in (*BUILT_IN, mine)],
    }  # fmt: skip
    reference.apply(client, [applied("source-rule", message)], {})
    assert rederive_rules(client) == 1


def an_alias(client: Any) -> None:
    assert merged(client, PROMPT[0], PROMPT[0] * 100, PROMPT[0] * 100 + 1) == 1


def merged(client: Any, urn: int, one: int, other: int) -> int:
    """Say that a school's pupils are one, as of now; how many session dates were derived again."""
    known_as = {"urn": urn, "scheme": "mis", "valid_from": OPEN_START, "valid_to": OPEN_END}
    rows.insert(client, "crosswalk", [{**known_as, "ref": str(n), "pupil_id": n} for n in (one, other)])
    message = {
        "pupil_id": str(one), "published_at": now(), "author": "data manager", "reason": "test",
        "aliases": [{**merge(other)._asdict(), "to_pupil_id": str(other)}],
    }  # fmt: skip
    reference.apply(client, [applied("pupil-alias", message)], {})
    return rederive_aliases(client)


def a_rule_for_lessons(client: Any) -> None:
    came(client, 0, LATE, "/L", [0, 1], period="P1")
    message = {
        "urn": LATE, "published_at": now(), "author": "data manager", "reason": "test",
        "rules": [LessonRule("first_lesson", am=("P1",))._asdict()],
    }  # fmt: skip
    reference.apply(client, [applied("lesson-rule", message)], {})
    assert rederive_lessons(client) == 1


def a_roster(client: Any) -> None:
    reference.apply(client, [applied("roster", roster(PROMPT[0], pupil("mis:new"), taken_at=now()))], {})


def a_school(client: Any) -> None:
    moved = school(LATE, taken_at=now(), name="Renamed", phase="Secondary", valid_from=date(2020, 9, 1))
    reference.apply(client, [applied("school", moved)], {})


def a_school_that_had_not_opened(client: Any) -> None:
    reference.apply(client, [applied("school", school(PROMPT[0], taken_at=now(), opened_on=date(2025, 11, 1)))], {})
    assert derive_lives(client, [PROMPT[0]]) == 1


def a_timetable(client: Any) -> None:
    rows.registers(client, LATE, {"group_id": "8Z"}, taken_at=now())


def a_calendar(client: Any) -> None:
    reference.apply(client, [applied("calendar", calendar(LATE, taken_at=now(), closures=[(DAY, DAY)]))], {})


@pytest.mark.parametrize(
    "published",
    [
        a_code_map,
        categories,
        rules,
        an_alias,
        a_rule_for_lessons,
        a_roster,
        a_school,
        a_school_that_had_not_opened,
        a_timetable,
        a_calendar,
    ],
    ids=lambda one: one.__name__,
)
def test_what_is_published_later_changes_the_answer_now_and_not_that_of_the_past(
    db: Any, published: Callable[[Any], None]
) -> None:
    came(db, 0, PROMPT[0], "LO", [0, 16], source="mis", source_kind="mis", asserted_at=rows.ARRIVED)
    with opened(db, EVENING, DAY, DAY, asks=QUESTIONS) as then:
        before, at_present = seen(then), seen(db)
    assert before == at_present
    published(db)
    with opened(db, EVENING, DAY, DAY, asks=QUESTIONS) as then:
        assert seen(then) == before
    assert seen(db) != at_present


def test_as_at_this_moment_every_view_says_what_it_says_now(db: Any) -> None:
    came(db, 0, PROMPT[1], "LO-", [0, 16, 2], source="mis", source_kind="mis", asserted_at=rows.ARRIVED)
    came(db, 0, PROMPT[1], "/", [15], source="kiosk", source_kind="kiosk", period="")
    came(db, 0, PROMPT[1], "IL", [3, 4], period="P1")
    came(db, 0, LATE, "-L9/", [0, 1, 2, 3], minutes_late=7)
    came(db, 0, LATE, "/", [4], deleted=True)
    came(db, 0, LATE, "/", [5], superseded=True)
    a_code_map(db)
    categories(db)
    rules(db)
    an_alias(db)
    a_rule_for_lessons(db)
    a_school_that_had_not_opened(db)
    marks = "SELECT * EXCEPT (derived_version) FROM mark_current FINAL ORDER BY ALL"
    with opened(db, now(), DAY, DAY) as then:
        assert then.query(marks).result_rows == db.query(marks).result_rows
        for (view,) in db.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View' ORDER BY name"
        ).result_rows:
            if view in WITHOUT_A_PAST:
                continue
            question = f"SELECT * FROM {view} ORDER BY ALL"
            assert then.query(question).result_rows == db.query(question).result_rows, view
        assert then.query("SELECT count() FROM marks_conflicting").first_row[0] > 0
        assert then.query("SELECT count() FROM period_marks").first_row == (4,)
        assert then.query("SELECT count() FROM marks_from_lessons").first_row == (1,)
        assert then.query("SELECT count() FROM marks_live WHERE rule != 'statutory'").first_row == (0,)


def test_a_session_that_had_not_begun_counts_nothing_as_at_that_morning(db: Any) -> None:
    """`has_begun` is of the instant that is asked about, not of the clock on the wall."""
    came(db, 0, LATE, "/", [0], ingested_at=datetime(2025, 9, 8, 9, tzinfo=LONDON))
    asked = "SELECT has_begun FROM session_counts"
    missing = "SELECT countIf(urn = 100003) > 0 FROM marks_missing WHERE session_date = '2025-09-10'"
    for hour, minute, begun in ((8, 44, False), (8, 45, True)):
        with opened(db, datetime(2025, 9, 10, hour, minute, tzinfo=LONDON), DAY, DAY) as then:
            assert then.query(asked).result_rows == [(begun,)]
            assert then.query(missing).first_row == (begun,)


def test_an_instant_that_has_not_come_is_refused(db: Any) -> None:
    with pytest.raises(UsageError, match="it has not come yet"), opened(db, now() + timedelta(hours=1), DAY, DAY):
        pass


def test_what_a_worker_has_in_hand_is_waited_for_and_the_error_says_until_when(
    db: Any, run: Callable[..., Result]
) -> None:
    begun = rows.ARRIVED + timedelta(days=1)
    unfinished = rows.in_hand(begun)
    rows.insert(db, "ledger", [unfinished])
    refused = run("report", "day", "--date", "2025-09-10", "--as-at", london(begun))
    assert isinstance(refused.exception, UsageError)
    assert "workers has attendance.register.v1/3, offsets 120-140, in hand" in str(refused.exception)
    assert "The latest instant that can be is 2026-02-03 08:59:59.999" in str(refused.exception)
    settled(db, begun - timedelta(milliseconds=1))
    rows.insert(db, "ledger", [{**unfinished, "state": "DONE"}])
    settled(db, begun)


def test_a_user_who_may_not_create_databases_is_told_so(
    db: Any, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("analyst", "reader"):
        monkeypatch.setenv("ROLLCALL_CLICKHOUSE__USER", user)
        refused = run("report", "day", "--date", "2025-09-10", "--as-at", london(EVENING))
        assert isinstance(refused.exception, ClickHouseError), refused.output
        assert "which this user may not create" in str(refused.exception)


def test_an_analyst_reads_nothing_in_the_database_of_a_past_instant(db: Any, settings: Settings) -> None:
    options = {**settings.clickhouse.client_options(), "username": "analyst"}
    with opened(db, EVENING, DAY, DAY) as then, clickhouse_connect.get_client(**options) as analyst:
        assert then.query("SELECT count() FROM mark_event").first_row == (40,)
        for table in ("mark_event", "marks_current"):
            with pytest.raises(DatabaseError, match="Not enough privileges"):
                analyst.query(f"SELECT count() FROM {then.database}.{table}")


def test_nothing_is_left_behind_and_what_a_killed_process_left_is_swept(db: Any) -> None:
    def left() -> list[str]:
        prefix = f"{db.database}_as_at_"
        found = db.query("SELECT name FROM system.databases WHERE startsWith(name, {p:String})", {"p": prefix})
        return [name for (name,) in found.result_rows]

    with opened(db, EVENING, DAY, DAY) as then:
        assert left() == [then.database]
    with pytest.raises(DatabaseError), opened(db, EVENING, DAY, DAY) as then:
        then.query("SELECT throwIf(true)")
    assert left() == []
    ago = [f"{db.database}_as_at_{int((now() - timedelta(hours=n)).timestamp())}_0123abcd" for n in (1, 7)]
    for name in ago:
        db.command(f"CREATE DATABASE {name}")
    sweep(db)
    assert left() == ago[:1], "what is young may be asked at this moment"
    erase(db, PROMPT[0] * 100, {}, [])
    assert left() == [], "whoever erases a pupil leaves no copy"


def test_every_table_has_a_past_or_is_known_to_have_none(db: Any) -> None:
    there = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'MaterializedView'"
    present = {name for (name,) in db.query(there).result_rows}
    with opened(db, EVENING, DAY, DAY) as then:
        past = {name for (name,) in then.query(there).result_rows}
        for name in sorted(past):
            then.query(f"SELECT * FROM {name} LIMIT 1")
    assert present - past == NO_PAST | WITHOUT_A_PAST


def test_only_what_is_asked_for_is_made_and_only_of_the_schools_asked_for(db: Any) -> None:
    came(db, 0, LATE, "/" * PUPILS)
    with opened(db, EVENING, DAY, DAY, [LATE], ["SELECT sum(marks) FROM session_counts"]) as then:
        assert then.query("SELECT sum(marks) FROM session_counts").first_row == (PUPILS,)
        assert then.query("SELECT groupUniqArray(urn) FROM schools").first_row == ([LATE],)
        there = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'quarantine_open'"
        assert then.query(there).first_row == (0,)
        assert known(then, EVENING).code_map == 1
    assert db.query("SELECT sum(marks) FROM session_counts").first_row == (3 * PUPILS,)
