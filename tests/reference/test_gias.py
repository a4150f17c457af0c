"""Schools from GIAS's extract: what is read of it, what is refused by line, and what a later extract changes."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from connectors.publisher import Publisher
from connectors.reference import gias
from connectors.reference.load import Loaded, load_schools, news_of_schools, taken_on
from rollcall.cli.app import build
from rollcall.errors import UsageError
from rollcall.settings import Settings
from sinks import reference
from sinks.clickhouse import connect
from streams.reference import Loader
from tests.reference.conftest import Publish, applied, school
from tests.reference.gias.make import COLUMNS, EXTRACT, LINKS, SCHOOLS, write

HERE = Path(__file__).parent / "gias"
pytestmark = pytest.mark.usefixtures("others_behind")
#: Kafka is shared by all tests: each takes URNs that no other has.
_urns = itertools.count(910_000, 100)


@pytest.fixture
def first_urn() -> int:
    """The first of a hundred URNs of this test's own."""
    return next(_urns)


def schools_of(first_urn: int, **changes: Mapping[str, str]) -> list[dict[str, str]]:
    """The dozen made-up schools under URNs of a test's own; `s1={...}` changes the first one's row."""
    return [
        {**row, "URN": str(first_urn + place), **changes.get(f"s{place}", {})} for place, row in enumerate(SCHOOLS, 1)
    ]


def load(settings: Settings, folder: Path, schools: list[dict[str, str]], as_of: date, links: Any = None) -> Loaded:
    extract, linked = write(folder, schools, links or ())
    table = gias.read_schools(extract)
    return load_schools(settings, table, None if links is None else gias.read_links(linked, table.frame), as_of)


def in_force(settings: Settings) -> None:
    Loader(settings, connect(settings.clickhouse), group=f"test-{uuid.uuid4().hex}").run(once=True)


def spans(client: Any, urn: int, columns: str = "trust_id, valid_from, valid_to") -> list[tuple[Any, ...]]:
    rows = client.query(f"SELECT {columns} FROM schools WHERE urn = {urn} ORDER BY valid_from").result_rows
    return [tuple(row) for row in rows]


def test_the_committed_extract_is_what_its_maker_makes(tmp_path: Path) -> None:
    for made in write(tmp_path):
        assert made.read_bytes() == (HERE / made.name).read_bytes()
    assert "Zoë".encode("cp1252") in (HERE / EXTRACT).read_bytes()


def test_an_extract_is_read_with_phases_by_rule_13_and_no_column_that_is_not_wanted() -> None:
    table = gias.read_schools(HERE / EXTRACT)
    assert (table.rows, table.wrong) == (13, [])
    assert not {"HeadLastName", "TelephoneNum"} & set(table.frame.columns)
    found = gias.records(table.frame, None, taken_on(date(2025, 9, 15)))
    assert {urn: (one["phase"], one["state_funded"], one["status"]) for urn, one in found.items()} == {
        900001: ("Primary", True, "open"),
        900002: ("Primary", True, "closed"),
        900003: ("Primary", True, "open"),
        900004: ("Secondary", True, "open"),
        900005: ("Secondary", True, "open"),
        900006: ("Secondary", True, "open"),
        900007: ("PRU/AP", True, "open"),
        900008: ("Special", True, "open"),
        900009: ("Nursery", True, "open"),
        900010: ("Independent", False, "open"),
        900011: ("Primary", True, "proposed"),
        900012: ("Primary", True, "open"),
        900013: ("Independent", False, "open"),
    }
    one = found[900002]
    assert (one["name"], one["region_code"], one["trust_id"]) == ("Lower Made-Up School", "E12000005", None)
    assert (one["opened_on"], one["closed_on"]) == (date(1931, 9, 1), date(2019, 8, 31))
    assert (one["valid_from"], one["valid_to"]) == (date(1931, 9, 1), date(2019, 8, 31))
    assert found[900001]["name"] == "St Zoë's Primary School"
    assert found[900012]["closed_on"] == date(2026, 8, 31), "proposed to close is open, and says when it will not be"


def test_the_command_brings_schools_and_their_successions_in_force(
    settings: Settings, clickhouse: Any, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    command = ["reference", "load", "gias", str(HERE / EXTRACT), "--links", str(HERE / LINKS), "--json"]
    runner = CliRunner()
    done = runner.invoke(build(), command)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert {name: said[name] for name in ("rows", "keys", "published", "unchanged", "older", "refused")} == {
        "rows": 13,
        "keys": 13,
        "published": 13,
        "unchanged": 0,
        "older": 0,
        "refused": 0,
    }
    again = json.loads(runner.invoke(build(), command).stdout)
    assert (again["published"], again["unchanged"]) == (0, 13)
    in_force(settings)
    assert spans(clickhouse, 900001, "school_name, phase, status, opened_on, closed_on") == [
        ("St Zoë's Primary School", "Primary", "open", date(1970, 1, 1), date(2149, 6, 6))
    ]
    successions = clickhouse.query(
        "SELECT * FROM school_successions WHERE successor_urn > 900000 AND successor_urn < 900100 ORDER BY ALL"
    ).result_rows
    assert successions == [
        (900002, "Lower Made-Up School", 900003, "Made-Up Academy", "whole", date(2019, 9, 1)),
        (900099, "", 900004, "Fictional High School", "amalgamated", date(1970, 1, 1)),
    ]
    links = clickhouse.query("SELECT link_type FROM school_links WHERE urn = 900006").result_rows
    assert links == [("Sixth Form Centre Link",)]


def test_a_later_extract_publishes_only_what_changed_from_its_day_on_rule_12(
    settings: Settings, clickhouse: Any, publish: Publish, tmp_path: Path, first_urn: int
) -> None:
    links = [(str(first_urn + 2), str(first_urn + 3), "Made-Up Academy", "Successor", "01-09-2019")]
    before = schools_of(first_urn)
    assert load(settings, tmp_path, before, date(2025, 9, 15), links).published == 13
    joined = {"Trusts (code)": "90018", "Trusts (name)": "Another Trust"}
    after = schools_of(first_urn, s4=joined, s5={"CloseDate": "31-12-2025", "EstablishmentStatus (name)": "Closed"})
    second = load(settings, tmp_path, after, date(2026, 1, 10))
    assert (second.published, second.unchanged, second.keys) == (2, 11, 13)
    in_force(settings)
    assert spans(clickhouse, first_urn + 4) == [
        ("", date(1972, 9, 1), date(2026, 1, 9)),
        ("90018", date(2026, 1, 10), date(2149, 6, 6)),
    ]
    assert spans(clickhouse, first_urn + 5) == [("90017", date(2014, 9, 1), date(2025, 12, 31))]
    kept = clickhouse.query(f"SELECT linked_urn FROM school_links WHERE urn = {first_urn + 2}").result_rows
    assert kept == [(first_urn + 3,)], "an extract without a links file says nothing of links"
    assert load(settings, tmp_path, after, date(2026, 1, 10), [(*links[0][:3], "Other", "")]).published == 1


def test_closing_a_school_whose_trust_changed_keeps_the_spans_before(
    settings: Settings, clickhouse: Any, publish: Publish, tmp_path: Path, first_urn: int
) -> None:
    """School 1 has no OpenDate in GIAS: its first span begins with the tables' first day, its second does not."""
    joined = {"Trusts (code)": "90018", "Trusts (name)": "Another Trust"}
    closed = joined | {"CloseDate": "31-08-2026", "EstablishmentStatus (name)": "Closed"}
    left = closed | {"LA (code)": "331", "LA (name)": "Coventry"}
    for row, day in (({}, (2025, 9, 15)), (joined, (2025, 10, 1)), (closed, (2026, 9, 10)), (left, (2026, 10, 1))):
        assert load(settings, tmp_path, schools_of(first_urn, s1=row)[:1], date(*day)).published == 1
    in_force(settings)
    assert spans(clickhouse, first_urn + 1, "la_code, trust_id, valid_from, valid_to") == [
        ("330", "", date(1970, 1, 1), date(2025, 9, 30)),
        ("330", "90018", date(2025, 10, 1), date(2026, 8, 30)),
        ("331", "90018", date(2026, 8, 31), date(2026, 8, 31)),
    ]


def test_an_older_extract_overrules_nothing(
    settings: Settings, clickhouse: Any, publish: Publish, tmp_path: Path, first_urn: int
) -> None:
    newer = schools_of(first_urn, s1={"EstablishmentName": "New Name"})
    load(settings, tmp_path, newer[:1], date(2025, 10, 1))
    older = load(settings, tmp_path, schools_of(first_urn)[:2], date(2025, 9, 1))
    assert (older.published, older.older) == (1, 1)
    in_force(settings)
    assert spans(clickhouse, first_urn + 1, "school_name") == [("New Name",)]


def test_a_school_that_only_its_trust_knew_keeps_its_days(
    settings: Settings, clickhouse: Any, publish: Publish, tmp_path: Path, first_urn: int
) -> None:
    urn = first_urn + 4
    publish("reference.school.v1", school(urn, links=[{"urn": 5, "link_type": "Other", "linked_on": None}]))
    loaded = load(settings, tmp_path, schools_of(first_urn)[:4], date(2025, 9, 15))
    assert loaded.published == 4
    assert loaded.unmentioned >= 0
    in_force(settings)
    assert spans(clickhouse, urn, "school_name, valid_from") == [
        ("A school", date(2015, 9, 1)),
        ("Fictional High School", date(2025, 9, 15)),
    ]
    assert clickhouse.query(f"SELECT linked_urn FROM school_links WHERE urn = {urn}").result_rows == [(5,)]


def test_a_load_that_was_cut_short_is_finished_by_the_next(
    settings: Settings, publish: Publish, tmp_path: Path, first_urn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_over = Publisher.publish

    def cut(self: Publisher, topic: str, key: bytes | None, value: bytes | None) -> Any:
        if key == str(first_urn + 6).encode():
            raise ConnectionResetError
        return handed_over(self, topic, key, value)

    monkeypatch.setattr(Publisher, "publish", cut)
    with pytest.raises(ConnectionResetError):
        load(settings, tmp_path, schools_of(first_urn), date(2025, 9, 15))
    monkeypatch.undo()
    rest = load(settings, tmp_path, schools_of(first_urn), date(2025, 9, 15))
    assert (rest.published, rest.unchanged) == (8, 5)


@pytest.mark.parametrize(
    ("change", "line", "column", "complaint"),
    [
        ({"URN": "90000X"}, 3, "URN", "'90000X' is no URN"),
        ({"URN": "0"}, 3, "URN", "0 is no URN"),
        ({"URN": "900001"}, 3, "URN", "900001 stands there already"),
        ({"LA (code)": " "}, 3, "LA (code)", "is empty"),
        ({"EstablishmentName": ""}, 3, "EstablishmentName", "is empty"),
        ({"OpenDate": "2019-09-01"}, 3, "OpenDate", "'2019-09-01' is no date written 31-08-2019"),
        ({"OpenDate": "31-02-2019"}, 3, "OpenDate", "'31-02-2019' is no date"),
        ({"CloseDate": "01-09-19"}, 3, "CloseDate", "'01-09-19' is no date"),
        ({"CloseDate": "01-09-1930"}, 3, "CloseDate", "1930-09-01 is before OpenDate"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_stay(
    tmp_path: Path, change: dict[str, str], line: int, column: str, complaint: str
) -> None:
    extract, _ = write(tmp_path, [SCHOOLS[0], {**SCHOOLS[1], **change}, SCHOOLS[2]])
    table = gias.read_schools(extract)
    assert table.frame["urn"].to_list() == [900001, 900003]
    assert table.rows == 3
    ((found, where, why, _),) = table.wrong
    assert (found, where) == (line, column)
    assert complaint in why


def test_rows_of_another_width_and_bytes_of_no_encoding_are_named_by_the_line_they_begin_on(tmp_path: Path) -> None:
    extract, _ = write(tmp_path, [{**SCHOOLS[0], "SiteName": "two\nlines"}, *SCHOOLS[1:3]])
    text = extract.read_bytes().replace(b"Made-Up Academy", b"Made\x81Up Academy")
    extract.write_bytes(text + b'"900004","330"\r\n')
    table = gias.read_schools(extract)
    assert table.frame["urn"].to_list() == [900001, 900002]
    assert [str(one) for one in table.wrong] == [
        "line 5, EstablishmentName: holds a byte that is no cp1252",
        f"line 6: has 2 columns, the first line has {len(COLUMNS)}",
    ]


def test_links_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    extract, links = write(tmp_path, links=[
        ("900001", "900002", "x", "Successor", "01-09-2019"),
        ("999999", "900002", "x", "Successor", "01-09-2019"),
        ("900001", "", "x", "Successor", "01-09-2019"),
        ("900001", "900003", "x", "", "01-09-2019"),
        ("900001", "900003", "x", "Successor", "1 Sep 2019"),
    ])  # fmt: skip
    table = gias.read_links(links, gias.read_schools(extract).frame)
    assert table.frame.height == 1
    assert sorted((one.line, one.column) for one in table.wrong) == [
        (3, "URN"),
        (4, "LinkURN"),
        (5, "LinkType"),
        (6, "LinkEstablishedDate"),
    ]


def test_the_command_names_what_is_wrong_publishes_the_rest_and_leaves_with_1(
    settings: Settings, publish: Publish, tmp_path: Path, first_urn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    extract, _ = write(tmp_path, schools_of(first_urn, s2={"OpenDate": "soon"}))
    done = CliRunner().invoke(build(), ["reference", "load", "gias", str(extract)])
    assert done.exit_code == 1
    assert f"{extract}, line 3, OpenDate: 'soon' is no date written 31-08-2019" in done.stderr
    assert "13 rows, 12 schools: 12 published, 0 unchanged" in done.stdout
    assert "1 rows could not be read" in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("gias.csv", None, "does not say the day"),
        ("edubasealldata20250915.csv", "URN,EstablishmentName\r\n1,x\r\n", "must name the columns LA"),
        ("edubasealldata20250915.csv", "", "must name the columns URN"),
        ("not-there-20250915.csv", None, "cannot be read"),
    ],
)
def test_what_is_no_extract_is_refused(tmp_path: Path, name: str, text: str | None, complaint: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="cp1252")
    done = CliRunner().invoke(build(), ["reference", "load", "gias", str(tmp_path / name)])
    assert isinstance(done.exception, UsageError)
    assert complaint in str(done.exception)


def test_the_day_of_an_extract_stands_in_its_name() -> None:
    assert gias.date_in_name(Path("edubasealldata20250915.csv")) == date(2025, 9, 15)
    assert gias.date_in_name(Path("edubasealldata20251399.csv")) is None
    assert gias.date_in_name(Path("schools.csv")) is None


def test_every_row_of_a_whole_extract_is_in_force_or_named(clickhouse: Any, tmp_path: Path) -> None:
    """50,000 rows, every 1,000th wrong somehow: what comes in force, changes later and is refused adds up to the row.

    Past Kafka, straight into this test's own tables: every later test that reads the topics would meet 50,000 schools.
    """
    faults = itertools.cycle([{"URN": "x"}, {"OpenDate": "31-06-2000"}, {"LA (name)": ""}, {"CloseDate": "tomorrow"}])
    changed = [number for number in range(50_000) if number % 500 == 1]
    # A school that has not opened yet has one span, from its opening on.
    proposed = [number for number in changed if SCHOOLS[number % len(SCHOOLS)]["URN"] == "900011"]

    def rows(suffix: str = "") -> Iterator[dict[str, str]]:
        for number in range(50_000):
            row = {**SCHOOLS[number % len(SCHOOLS)], "URN": str(1_000_000 + number)}
            if number % 500 == 1:
                row["EstablishmentName"] += suffix
            yield row | (next(faults) if number % 1000 == 999 else {})

    def bring_in(table: Any, known: dict[int, Any], as_of: date) -> dict[int, Any]:
        new, older = news_of_schools(gias.records(table.frame, None, taken_on(as_of)), known, as_of)
        assert older == 0
        for start in range(0, len(new), 10_000):
            reference.apply(clickhouse, [applied("school", one) for one in new[start : start + 10_000]])
        return {one["urn"]: one for one in new}

    table = gias.read_schools(write(tmp_path, rows())[0])
    assert (table.rows, table.frame.height, len(table.wrong)) == (50_000, 49_950, 50)
    assert [one.line for one in sorted(table.wrong)] == [number + 2 for number in range(999, 50_000, 1000)]
    known = bring_in(table, {}, date(2025, 9, 15))
    assert len(known) == 49_950
    later = gias.read_schools(write(tmp_path, rows(" of Tomorrow"))[0])
    assert (later.frame.height, len(later.wrong)) == (49_950, 50)
    assert len(bring_in(later, known, date(2025, 10, 15))) == len(changed) == 100
    found = clickhouse.query(
        "SELECT uniqExact(urn), count(), countIf(endsWith(school_name, ' of Tomorrow')) FROM schools"
    ).result_rows
    assert found == [(49_950, 49_950 + 100 - len(proposed), 100)]


facts = st.fixed_dictionaries(
    {
        "name": st.sampled_from("ab"),
        "trust_id": st.sampled_from([None, "1", "2"]),
        "closed_on": st.sampled_from([None, date(2025, 12, 31)]),
        "opened_on": st.sampled_from([None, date(2000, 9, 1)]),
        "links": st.sampled_from([None, [], [{"urn": 2, "link_type": "Successor", "linked_on": None}]]),
    }
)


@given(st.lists(facts, min_size=1, max_size=6))
def test_whatever_extracts_say_the_last_one_is_known_and_no_span_begins_before_the_school(
    extracts: list[dict[str, Any]],
) -> None:
    known: dict[str, Any] = {}
    for number, said in enumerate(extracts):
        as_of = date(2025, 9 + number % 4, 15) if number < 4 else date(2026, number - 3, 15)
        opened = said["opened_on"] or date(1970, 1, 1)
        record = school(1, **said, taken_at=taken_on(as_of), valid_from=opened, valid_to=said["closed_on"])
        new = gias.effective(record, known, as_of) if known else record
        if new is not None:
            assert new["valid_from"] >= min(opened, known.get("valid_from", opened))
            known = new
        links = known["links"] if said["links"] is None else said["links"]
        assert {name: known[name] for name in said} == {**said, "links": links}
        assert gias.effective(record, known, as_of) is None, "the same again is nothing new"
