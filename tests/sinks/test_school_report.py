"""`rollcall report school`: a school's page, of a term that can be counted by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from click.testing import Result
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain.codes import CODES
from rollcall.errors import UsageError
from tests.databases import Databases
from tests.sinks import rows

URN, OTHER = 100001, 100002
#: Three weeks of term, Monday to Friday, and Friday of the last.
DAYS = [day for n in range(19) if (day := date(2025, 9, 1) + timedelta(days=n)).isoweekday() <= 5]
FRIDAY = DAYS[-1]
#: What a school may call a group, and what a source may send as a code or a reason.
GROUP, CODE, REASON = "<script>alert(1)</script>", "<script>", "a [bold]&quot; <img src=x>"
#: pupil_id -> how many of the 30 sessions are I; the pupil of GROUP came for eleven.
ABSENT = {71_001: 0, 71_002: 3, 71_003: 2, 71_004: 15, 71_005: 13}
JOINER, NEIGHBOUR = 71_006, 82_001
AMENDED = {"amended_from": "N", "amended_position": "attendance", "amend_evidence": "message"}


class Estate:
    """Two schools, and what the command line says of them."""

    def __init__(self, client: Any, folder: Path) -> None:
        self.client, self.folder = client, folder

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(build(), list(arguments))

    def said(self, *arguments: str) -> Any:
        """The document of a command that ends well."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture(scope="module")
def estate(databases: Databases, stack: Any, stack_home: Path, tmp_path_factory: Any) -> Iterator[Estate]:
    with databases.one(failed=lambda: False) as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROLLCALL_HOME", str(stack_home))
        patch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", name)
        client = clickhouse_connect.get_client(host=stack.clickhouse_host, port=stack.clickhouse_port, database=name)
        _load(client)
        yield Estate(client, tmp_path_factory.mktemp("pages"))
        client.close()


def _load(client: Any) -> None:
    rows.code_map(client, {code.code: code.code for code in CODES}, known_from=rows.TAKEN)
    for urn, school_name, pupils in ((URN, "Low & High <Primary>", [*ABSENT]), (OTHER, "Elsewhere", [NEIGHBOUR])):
        rows.school(client, urn, name=school_name, known_from=rows.TAKEN)
        joiner = [rows.pupil(JOINER, group=GROUP, year_group="9")] if urn == URN else []
        rows.roster(client, urn, [*(rows.pupil(one) for one in pupils), *joiner])
        rows.timetable(client, urn, groups=("7A", GROUP) if urn == URN else ("7A",))
        rows.calendar(client, urn, last=FRIDAY)
    sessions = [(day, session) for day in DAYS for session in ("AM", "PM")]
    marks = [
        _mark(pupil, "I" if place < absent else "/", day, session)
        for pupil, absent in {**ABSENT, NEIGHBOUR: 30}.items()
        for place, (day, session) in enumerate(sessions)
    ]
    marks += [
        _mark(JOINER, "I" if place == 0 else "/", day, session, group_id=GROUP, year_group="9")
        for place, (day, session) in enumerate(sessions[-12:-1])
    ]
    # Three N: one of the first week, one three school days ago, one of the other school.
    marks += [_mark(71_001, "N", day, "AM", again=1) for day in (DAYS[2], DAYS[-4])]
    marks += [_mark(NEIGHBOUR, "N", DAYS[2], "AM", again=1)]
    # An amendment eight school days later, and the MIS, which disagrees on Wednesday.
    late = {"amended_at": datetime(2025, 9, 12, 12, tzinfo=UTC), "amend_reason": REASON, "group_id": GROUP, **AMENDED}
    rows.history(client, [_mark(71_001, "/", DAYS[1], "AM", again=2, batch=2, **late)])
    mis = {"source": "mis", "source_kind": "mis", "record_id": "r1", "group_id": ""}
    marks += [_mark(71_001, "I", DAYS[-3], "PM", again=3, **mis)]
    # A code that the map makes something of that we do not know, and a finding.
    marks += [_mark(71_001, CODE, FRIDAY, "AM", again=4, exceptions=("upn_invalid",))]
    rows.history(client, marks)


def _mark(pupil: int, code: str, day: date, session: str, again: int = 0, **facts: Any) -> dict[str, Any]:
    said = datetime(day.year, day.month, day.day, 9, tzinfo=UTC) + timedelta(hours=again)
    offset = again * 10_000_000 + pupil * 100 + (day - DAYS[0]).days * 2 + (session == "PM")
    urn = OTHER if pupil == NEIGHBOUR else URN
    return rows.mark(
        pupil, code, urn=urn, session_date=day, session=session, asserted_at=said, offset=offset, **facts
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(estate: Estate) -> tuple[Any, str]:
    """The document and the file, of one run."""
    file = estate.folder / "page.html"
    document = estate.said("report", "school", str(URN), "--date", str(FRIDAY), "--html", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    return document, file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def document(made: tuple[Any, str]) -> Any:
    return made[0]


@pytest.fixture(scope="module")
def page(made: tuple[Any, str]) -> str:
    return made[1]


@pytest.fixture(scope="module")
def printed(estate: Estate) -> str:
    """What a person reads on the terminal, the MIS asked."""
    result = estate.run("report", "school", str(URN), "--date", str(FRIDAY), "--ask-mis")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_day_is_that_of_report_day_for_the_school(estate: Estate, document: Any) -> None:
    day = estate.said("report", "day", "--date", str(FRIDAY), "--all", "--by", "school")
    (line,) = [one for one in day["lines"] if one["key"] == str(URN)]
    assert {name: document["day"][name] for name in line} == line
    versions = ("basis", "as_at", "code_map_version", "rules_version", "lesson_rules_version")
    assert {name: document[name] for name in versions} == {name: day[name] for name in versions}
    assert (line["missing_marks"], line["missing_registers"], line["exceptions"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("question", "name", "first", "more", "found"),
    [
        ("unmarked", "unmarked", FRIDAY, (), 1),
        ("conflicts", "conflicts", DAYS[10], (), 1),
        ("amendments", "amendments", DAYS[0], (), 1),
        ("unexplained", "open_n", DAYS[0], ("--window", "0"), 2),
        ("late", "late", DAYS[0], (), 0),
    ],
)
def test_each_list_is_the_answer_of_its_question_for_the_school(
    estate: Estate, document: Any, question: str, name: str, first: date, more: tuple[str, ...], found: int
) -> None:
    span = ("--from", str(first), "--to", str(FRIDAY), "--school", str(URN))
    answer = estate.said("ask", question, *span, *more)["answer"]
    listed = [{column: value for column, value in row.items() if column != "over"} for row in document[name]]
    assert (listed, len(listed)) == (answer, found)


def test_rule_26_an_n_that_stands_longer_than_five_school_days_is_overdue(estate: Estate, document: Any) -> None:
    assert [(one["session_date"], one["over"]) for one in document["open_n"]] == [
        (str(DAYS[2]), True), (str(DAYS[-4]), False),
    ]  # fmt: skip
    over = estate.said("ask", "unexplained", "--from", str(DAYS[0]), "--to", str(FRIDAY), "--school", str(URN))
    assert [one["session_date"] for one in over["answer"]] == [str(DAYS[2])]


def test_rule_19_weeks_and_term_are_sums_of_days_and_a_rate_is_made_of_the_sum(estate: Estate, document: Any) -> None:
    """The days are those of the view that analysts read."""
    names = ("possible", "attendance", "authorised", "unauthorised", "late", "unknown", "marks")
    sums = ", ".join(f"sum({name})" for name in names)
    days = (
        f"SELECT toMonday(session_date) AS monday, {sums} FROM school_days WHERE urn = {URN} GROUP BY monday ORDER BY 1"
    )
    assert [tuple(week[name] for name in names) for week in document["weeks"]] == [
        tuple(counts) for _, *counts in estate.client.query(days).result_rows
    ]
    for name in (*names, "absence", "missing", "days"):
        assert sum(week[name] for week in document["weeks"]) == document["term"][name], name
        assert document["year"][name] == document["term"][name], name
    assert [week["first"] for week in document["weeks"]] == ["2025-09-01", "2025-09-08", "2025-09-15"]
    # 5 x 30 and 11 sessions; two N and one conflict are absences, and a code that we do not know is not possible.
    assert (document["term"]["possible"], document["term"]["absence"]) == (160, 37)
    assert document["term"]["attendance_rate"] == 76.88
    assert sum(one["marks"] for one in document["sources"]) == document["year"]["marks"]
    assert {one["source"]: one["marks"] for one in document["sources"]} == {"classroom": 160, "mis": 1}


def test_rules_19_and_20_pupils_stand_to_the_thresholds_by_integers(document: Any) -> None:
    """Three of 30 is a tenth and persistent; one of eleven is not, and too little to say that it is near."""
    pupils = document["pupils"]
    assert (pupils["with_possible_sessions"], pupils["persistently_absent"], pupils["severely_absent"]) == (6, 4, 1)
    assert {one["pupil_id"]: (one["standing"], one["to_go"]) for one in pupils["listed"]} == {
        71_004: ("severe", 0),
        71_005: ("near severe", 4),
        71_001: ("persistent", 0),
        71_002: ("persistent", 0),
        71_003: ("near persistent", 2),
    }


def test_nothing_of_another_school_is_on_the_page(document: Any, page: str, printed: str) -> None:
    for said in (page, printed, json.dumps(document)):
        assert str(URN) in said
        assert not re.search(f"{OTHER}|Elsewhere|{NEIGHBOUR}", said)


def test_what_a_school_calls_a_group_is_shown_and_is_no_markup(page: str, printed: str) -> None:
    for escaped in ("&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;img src=x&gt;", "Low &amp; High &lt;Primary&gt;"):
        assert escaped in page
    assert "<script" not in page
    assert "<img" not in page
    assert GROUP in printed
    assert "[bold]" in printed


class _Checked(HTMLParser):
    """Notes what a page is made of, and every tag that is not closed where it should be."""

    EMPTY = frozenset({"meta", "line", "circle", "rect", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_file_is_whole_accessible_and_needs_nothing_from_elsewhere(page: str) -> None:
    found = _Checked()
    found.feed(page)
    assert (found.wrong, found.open) == ([], [])
    assert ("html", {"lang": "en-GB"}) in found.tags
    assert found.headings[0] == 1
    assert found.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found.headings, found.headings[1:], strict=False))
    assert len(found.ids) == len(set(found.ids))
    count = {name: sum(tag == name for tag, _ in found.tags) for name in ("svg", "table", "caption", "thead", "script")}
    assert count["svg"] == 2
    assert count["caption"] == count["table"] == count["thead"] > 5
    assert count["script"] == 0
    for tag, given in found.tags:
        if tag == "th":
            assert given.get("scope") in ("col", "row")
        if tag == "svg":
            assert given["role"] == "img"
            assert set(str(given["aria-labelledby"]).split()) <= set(found.ids)
        for name in ("href", "src"):
            assert str(given.get(name, "#")).startswith("#")
    namespace = 'xmlns="http://www.w3.org/2000/svg"'
    assert not re.search(r"https?:|//\w|url\((?!#)|@import", page.replace(namespace, ""))


def test_rule_19_what_stands_in_a_plot_is_rounded_once_and_half_up(document: Any, page: str) -> None:
    """56 of 58 sessions are 96.55 to two decimals, and 96.6 to one."""
    assert [(week["attendance"], week["possible"]) for week in document["weeks"]] == [(24, 50), (43, 52), (56, 58)]
    assert re.findall(r">(\d+\.\d)</text>", page) == ["48.0", "82.7", "96.6", "52.0", "17.3", "3.4"]


def test_the_mis_is_said_to_have_given_nothing_where_it_was_not_asked_or_cannot_be(
    document: Any, page: str, printed: str
) -> None:
    assert document["mis"] is None
    assert "it was not asked (--ask-mis)" in page
    assert "no source of this school can be asked" in printed


def test_as_at_an_instant_before_anything_came_the_page_is_that_of_an_unknown_school(estate: Estate) -> None:
    result = estate.run("report", "school", str(URN), "--date", str(FRIDAY), "--as-at", "2025-07-01 12:00")
    assert isinstance(result.exception, UsageError)
    assert f"school {URN} is not known" in str(result.exception)


def test_as_at_now_the_page_is_that_of_now(estate: Estate, document: Any) -> None:
    at = datetime.now(UTC).isoformat()
    then = estate.said("report", "school", str(URN), "--date", str(FRIDAY), "--as-at", at)
    assert then["as_at"] is not None
    assert {**then, "as_at": None} == document


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("999999",), "school 999999 is not known"),
        ((str(URN), "--date", "Friday"), "--date Friday"),
        ((str(URN), "--ask-mis", "--as-at", "2025-09-10 18:00"), "leave --as-at out"),
        ((str(URN), "--date", "2025-09-19", "--html", "/nowhere/page.html"), "--html /nowhere/page.html cannot be"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_sentence(
    estate: Estate, arguments: tuple[str, ...], said: str
) -> None:  # fmt: skip
    result = estate.run("report", "school", *arguments)
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
