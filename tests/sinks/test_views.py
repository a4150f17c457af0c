"""The views of analysts: right at any moment, and each rule where it is applied."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from rollcall.domain.clock import london_date, now
from rollcall.domain.codes import CODES
from tests.sinks import rows

URN = 100001


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """A database with the national code map and one school of one class."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    rows.school(clickhouse, URN)
    rows.roster(clickhouse, URN, [rows.pupil(n) for n in range(1, 5)])
    rows.timetable(clickhouse, URN)
    rows.calendar(clickhouse, URN)
    return clickhouse


def ask(client: Any, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(query).result_rows]


def test_a_current_mark_says_what_it_counts_as(db: Any) -> None:
    rows.history(db, [rows.mark(1, "/"), rows.mark(2, "I"), rows.mark(3, "U"), rows.mark(4, "V")])
    found = ask(
        db,
        "SELECT pupil_id, category, is_possible, is_attendance, is_authorised, is_unauthorised, is_late, is_unknown "
        "FROM marks_current ORDER BY pupil_id",
    )
    assert found == [
        (1, "attending", True, True, False, False, False, False),
        (2, "authorised_absence", True, False, True, False, False, False),
        (3, "unauthorised_absence", True, False, False, True, True, False),
        (4, "approved_educational_activity", True, True, False, False, False, False),
    ]


def test_rule_2_a_code_that_no_map_knows_is_unknown(db: Any) -> None:
    rows.history(db, [rows.mark(1, "9", canonical_code="")])
    query = "SELECT category, is_possible, is_attendance, is_unknown FROM marks_current"
    assert ask(db, query) == [("unknown", False, False, True)]


@pytest.mark.parametrize(
    ("code", "category"), [("H", "authorised_absence"), ("F", "authorised_absence"), ("Y", "not_possible")]
)
def test_rule_4_a_withdrawn_code_keeps_its_category(db: Any, code: str, category: str) -> None:
    rows.history(db, [rows.mark(1, code)])
    assert ask(db, "SELECT category FROM marks_current") == [(category,)]


def test_rule_4_a_code_before_its_first_day_has_its_first_category(db: Any) -> None:
    rows.history(db, [rows.mark(1, "C1", session_date=date(2023, 9, 13))])
    assert ask(db, "SELECT category, is_authorised FROM marks_current") == [("authorised_absence", True)]


def test_rule_3_a_withdrawn_mark_is_no_mark(db: Any) -> None:
    rows.history(db, [rows.mark(1, "/")])
    later = datetime(2025, 9, 10, 8, 10, tzinfo=UTC)
    rows.history(
        db, [rows.mark(1, "-", asserted_at=later, offset=50, batch=2, ingested_at=rows.ARRIVED + timedelta(1))]
    )
    assert ask(db, "SELECT * FROM marks_current") == []
    assert ask(db, "SELECT count() FROM marks_history") == [(2,)]
    assert ask(
        db, f"SELECT pupil_id FROM marks_missing WHERE session_date = '{rows.DAY}' AND pupil_id = 1 AND session = 'AM'"
    ) == [(1,)]


def test_rule_12_facts_are_those_of_the_session_date(db: Any) -> None:
    rows.school(db, URN, trust_id="5", trust_name="New Trust", valid_from=date(2025, 9, 11), taken_at=rows.TAKEN)
    rows.history(db, [rows.mark(1), rows.mark(1, session_date=date(2025, 9, 11), offset=9)])
    assert ask(db, "SELECT session_date, trust_name FROM marks_current ORDER BY session_date") == [
        (date(2025, 9, 10), ""),
        (date(2025, 9, 11), "New Trust"),
    ]


def test_facts_taken_later_overrule_those_of_the_same_and_later_days(db: Any) -> None:
    rows.school(db, URN, la_name="Wrong", valid_from=date(2025, 9, 1))
    rows.school(db, URN, la_name="Right", valid_from=date(2024, 9, 1), taken_at=rows.TAKEN + timedelta(days=1))
    assert ask(db, f"SELECT la_name, valid_from, valid_to FROM schools WHERE urn = {URN} ORDER BY valid_from") == [
        ("Birmingham", date(2020, 9, 1), date(2024, 8, 31)),
        ("Right", date(2024, 9, 1), date(2149, 6, 6)),
    ]


def test_exceptions_are_names(db: Any) -> None:
    rows.history(db, [rows.mark(1, exceptions=("not_on_roll", "clock_ahead"))])
    assert ask(db, "SELECT exceptions FROM marks_current") == [(["not_on_roll", "clock_ahead"],)]
    assert ask(db, "SELECT exceptions FROM marks_history") == [(["not_on_roll", "clock_ahead"],)]
    found = ask(db, "SELECT exception, pupil_id FROM exceptions_found ORDER BY exception")
    assert found == [("clock_ahead", 1), ("not_on_roll", 1)]


def test_rule_1_a_mark_dated_ahead_waits_for_its_session(db: Any) -> None:
    ahead = datetime.now(UTC).date() + timedelta(days=3)
    rows.history(db, [rows.mark(1), rows.mark(1, "C", session_date=ahead, offset=9)])
    assert ask(db, "SELECT canonical_code, has_begun FROM marks_current ORDER BY session_date") == [
        ("/", True),
        ("C", False),
    ]
    assert ask(db, "SELECT session_date, marks FROM school_days") == [(rows.DAY, 1)]


def test_rule_14_the_headline_needs_pupil_and_school(db: Any) -> None:
    rows.school(db, 100002, phase="PRU/AP")
    rows.school(db, 100003, state_funded=False)
    marks = [rows.mark(1), rows.mark(2, in_scope=False), rows.mark(3, urn=100002), rows.mark(4, urn=100003)]
    rows.history(db, marks)
    assert ask(db, "SELECT pupil_id FROM marks_current WHERE in_headline") == [(1,)]
    assert ask(db, "SELECT sum(marks) FROM session_counts WHERE in_headline") == [(1,)]


#: A day of a school as the counts add up to it: what `school_days` says, the long way round.
_ADDED_UP = """
    SELECT
        session_date, urn, any(school_name), any(la_code), any(la_name), any(trust_id), any(trust_name), any(phase),
        in_headline, sum(marks), sum(possible), sum(attendance), sum(authorised), sum(unauthorised), sum(late),
        sum(unknown), if(sum(possible) = 0, NULL, 100 * sum(attendance) / sum(possible))
    FROM session_counts WHERE has_begun GROUP BY session_date, urn, in_headline ORDER BY ALL
"""


def test_a_schools_days_are_its_counts_added_up(db: Any) -> None:
    """Whatever the scope, the headline, the span of facts, the code, and whether the session has begun."""
    today = london_date(now())
    rows.school(db, 100002, phase="PRU/AP", la_code="893", la_name="Shropshire")
    rows.school(db, 100003, valid_to=rows.DAY - timedelta(days=1), status="closed")
    rows.school(
        db, URN, trust_id="5", trust_name="New Trust", valid_from=rows.DAY + timedelta(days=1), taken_at=rows.TAKEN
    )
    rows.timetable(db, 100002)
    days = (rows.DAY - timedelta(days=1), rows.DAY, rows.DAY + timedelta(days=1), today, today + timedelta(days=1))
    codes = ("/", "I", "U", "L", "X", "9", "V")
    places = [(urn, day, session) for urn in (URN, 100002, 100003, 100004) for day in days for session in ("AM", "PM")]
    marks = [
        rows.mark(
            10 * place + number, code, urn=urn, session_date=day, session=session, offset=100 * place + number,
            in_scope=number % 3 != 0, canonical_code="" if code == "9" else code,
        )
        for place, (urn, day, session) in enumerate(places)
        for number, code in enumerate(codes)
    ]  # fmt: skip
    rows.history(db, marks)
    found = ask(db, "SELECT * FROM school_days ORDER BY ALL")
    assert found == ask(db, _ADDED_UP)
    assert {row[8] for row in found} == {True, False}
    assert len({row[:2] for row in found}) >= 12
    assert max(row[0] for row in found) <= today
    of_one = "SELECT urn, sum(marks) FROM school_days WHERE la_code = '893' GROUP BY urn"
    assert ask(db, of_one) == [(100002, sum(row[9] for row in found if row[1] == 100002))]


def test_rule_7_a_lesson_mark_is_history_only(db: Any) -> None:
    rows.history(db, [rows.mark(1, "/"), rows.mark(1, "O", period="P1", offset=9)])
    assert ask(db, "SELECT period, canonical_code FROM marks_history ORDER BY period") == [("", "/"), ("P1", "O")]
    assert ask(db, "SELECT canonical_code FROM marks_current") == [("/",)]


def test_a_delivery_that_came_twice_is_one_row_known_from_its_first_time(db: Any) -> None:
    rows.history(db, [rows.mark(1)])
    rows.history(db, [rows.mark(1, ingested_at=rows.ARRIVED + timedelta(hours=1), batch=2)])
    assert ask(db, "SELECT ingested_at FROM marks_history") == [(rows.ARRIVED.replace(tzinfo=None),)]


def test_rule_15_who_is_never_missing(db: Any) -> None:
    rows.school(db, 100002)
    rows.timetable(db, 100002, groups=("7A", "12A"))
    rows.calendar(db, 100002)
    sixth = {"year_group": "12", "age_31_august": 16, "in_scope": False}
    rows.roster(
        db,
        100002,
        [
            rows.pupil(11),
            rows.pupil(12, boarder=True),
            rows.pupil(13, part_time=True, year_group="N2", age_31_august=3),
            rows.pupil(14, status="pre-admission"),
            rows.pupil(15, group=None, **sixth),
            rows.pupil(16, group="12A", **sixth),
            rows.pupil(17, last_day=date(2025, 9, 9)),
            rows.pupil(18, first_day=date(2025, 9, 11)),
            rows.pupil(19, group=None),
        ],
    )
    found = ask(
        db, f"SELECT DISTINCT pupil_id FROM marks_missing WHERE urn = 100002 AND session_date = '{rows.DAY}' ORDER BY 1"
    )
    assert found == [(11,), (16,), (19,)]


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2025, 9, 13), "a Saturday"),
        (date(2025, 9, 12), "closed"),
        (date(2025, 8, 28), "before term"),
        (datetime.now(UTC).date() + timedelta(days=3), "not begun"),
    ],
)
def test_nothing_is_missing_where_nothing_is_expected(clickhouse: Any, day: date, why: str) -> None:
    rows.school(clickhouse, URN)
    rows.roster(clickhouse, URN, [rows.pupil(1)])
    rows.timetable(clickhouse, URN)
    rows.calendar(clickhouse, URN, last=date(2049, 12, 31), closed=[date(2025, 9, 12)])
    assert ask(clickhouse, f"SELECT * FROM marks_missing WHERE session_date = '{day}'") == [], why
    assert ask(clickhouse, f"SELECT * FROM registers_missing WHERE session_date = '{day}'") == [], why


def test_a_school_without_a_timetable_is_expected_to_mark_morning_and_afternoon(clickhouse: Any) -> None:
    rows.school(clickhouse, URN)
    rows.roster(clickhouse, URN, [rows.pupil(1)])
    rows.calendar(clickhouse, URN)
    query = f"SELECT session FROM marks_missing WHERE session_date = '{rows.DAY}' ORDER BY session"
    assert ask(clickhouse, query) == [("AM",), ("PM",)]
    assert ask(clickhouse, "SELECT * FROM marks_missing WHERE session_date = '2025-09-13'") == []


def test_a_register_is_missing_when_none_of_its_pupils_has_a_mark(db: Any) -> None:
    rows.roster(
        db,
        URN,
        [rows.pupil(1), rows.pupil(2), rows.pupil(3, group="7B"), rows.pupil(4, group="7C", last_day=date(2025, 9, 9))],
        taken_at=rows.TAKEN + timedelta(days=1),
    )
    rows.timetable(db, URN, groups=("7A", "7B", "7C"), taken_at=rows.TAKEN + timedelta(days=1))
    rows.history(db, [rows.mark(1), rows.mark(3, session="PM", group_id="7B")])
    found = ask(
        db,
        "SELECT session, group_id, pupils, in_headline, opens_at FROM registers_missing "
        f"WHERE session_date = '{rows.DAY}' ORDER BY session, group_id",
    )
    assert found == [("AM", "7B", 1, True, "08:45"), ("PM", "7A", 2, True, "13:00")]


def test_a_roster_that_is_not_applied_yet_is_not_in_force(db: Any) -> None:
    later = rows.TAKEN + timedelta(days=1)
    half = {"urn": URN, "taken_at": later, "pupil_id": 99, "first_day": date(2025, 9, 1)}
    rows.insert(db, "enrolment", [{**half, "last_day": date(2149, 6, 6), "status": "main", "year_group": "7"}])
    assert ask(db, "SELECT count(), countIf(pupil_id = 99) FROM roll") == [(4, 0)]
    rows.in_force(db, "roster", URN, later)
    assert ask(db, "SELECT pupil_id FROM roll") == [(99,)]


def test_more_marks_than_roll_is_found(db: Any) -> None:
    rows.history(db, [rows.mark(n) for n in range(1, 7)] + [rows.mark(7, "Z")])
    found = ask(db, "SELECT session_date, urn, session, exception, pupil_id FROM exceptions_found")
    assert found == [(rows.DAY, URN, "AM", "more_marks_than_roll", 0)]


def test_rule_16_dual_registration_is_found_at_both_schools(db: Any) -> None:
    rows.school(db, 100002)
    rows.roster(db, 100002, [rows.pupil(n) for n in (1, 2, 3)])
    rows.history(
        db,
        [
            rows.mark(1, "/"),
            rows.mark(1, "I", urn=100002, offset=21),
            rows.mark(2, "D"),
            rows.mark(2, "D", urn=100002, offset=22),
            rows.mark(3, "/"),
            rows.mark(3, "D", urn=100002, offset=23),
        ],
    )
    found = ask(db, "SELECT pupil_id, urn FROM exceptions_found WHERE exception = 'dual_registration' ORDER BY ALL")
    assert found == [(1, URN), (1, 100002), (2, URN), (2, 100002)]


def test_a_day_by_where_pupils_live_and_where_their_schools_are(db: Any) -> None:
    """An authority answers for the children of its area at whatever school; by the roster in force, as known now."""
    rows.school(db, 100002, la_code="208", la_name="Lambeth")
    rows.roster(
        db, URN, [rows.pupil(1, residence_la_code="208"), rows.pupil(2, residence_la_code="306"), rows.pupil(3)]
    )
    rows.roster(db, 100002, [rows.pupil(5, residence_la_code="306")])
    marks = [rows.mark(1, "I"), rows.mark(2, "/"), rows.mark(3, "L")]
    rows.history(db, [*marks, rows.mark(5, "O", urn=100002, offset=21)])
    asked = "residence_la_code, la_code, pupils, possible, attendance, authorised, unauthorised, late"
    ((own, *_),) = ask(db, f"SELECT la_code FROM schools WHERE urn = {URN}")
    assert ask(db, f"SELECT {asked} FROM residence_days WHERE session_date = '{rows.DAY}' ORDER BY ALL") == sorted(
        [
            ("", own, 1, 1, 1, 0, 0, 1),
            ("208", own, 1, 1, 0, 1, 0, 0),
            ("306", own, 1, 1, 1, 0, 0, 0),
            ("306", "208", 1, 1, 0, 0, 1, 0),
        ]
    )
    assert ask(db, "SELECT urn, residence_la_code FROM residence WHERE pupil_id = 1") == [(URN, "208")]


def receipt(offset: int, submission_id: str, content: int) -> dict[str, Any]:
    return {
        "urn": URN,
        "source": "classroom",
        "source_kind": "register",
        "submission_id": submission_id,
        "session_date": rows.DAY,
        "session": "AM",
        "content": content,
        "topic": rows.REGISTER_TOPIC,
        "topic_id": rows.TOPIC_ID,
        "partition": 0,
        "offset": offset,
        "produced_at": rows.ARRIVED,
        "ingested_at": rows.ARRIVED,
    }


def test_a_submission_id_with_other_content_is_found_and_a_repeat_is_not(db: Any) -> None:
    sent = [receipt(1, "a", 1), receipt(2, "a", 2), receipt(3, "b", 5), receipt(4, "b", 5)]
    rows.insert(db, "register_receipt", sent)
    assert ask(db, "SELECT exception, offset FROM exceptions_found ORDER BY offset") == [
        ("submission_id_reused", 1),
        ("submission_id_reused", 2),
    ]


def refused(offset: int, item: int, reason: str = "unknown_pupil") -> dict[str, Any]:
    return {
        "reason": reason,
        "urn": URN,
        "source": "classroom",
        "session_date": rows.DAY,
        "session": "AM",
        "topic": rows.REGISTER_TOPIC,
        "topic_id": rows.TOPIC_ID,
        "partition": 0,
        "offset": offset,
        "item": item,
        "ingested_at": rows.ARRIVED,
    }


def test_a_mark_in_history_and_quarantine_is_not_open(db: Any) -> None:
    rows.insert(db, "quarantine", [refused(7, 0), refused(7, 1), refused(8, -1, "undecodable")])
    rows.history(db, [rows.mark(1, offset=7, item=1)])
    assert ask(db, "SELECT offset, item FROM quarantine_open ORDER BY ALL") == [(7, 0), (8, -1)]
    found = ask(db, "SELECT finding, accepted, found FROM data_quality ORDER BY finding")
    assert found == [("undecodable", False, 1), ("unknown_pupil", False, 1)]
    assert ask(
        db, "SELECT count() FROM data_quality WHERE what = '' OR when_it_matters = '' OR how_to_resolve = ''"
    ) == [(0,)]


def test_views_are_right_while_marks_are_amended_and_merged(stack: Any, db: Any) -> None:
    """Every round amends every mark, delivers it twice and merges; a reader meanwhile never sees a pupil twice, none
    too few, and no sum that does not add up."""
    pupils = range(1, 201)
    rows.roster(db, URN, [rows.pupil(n) for n in pupils], taken_at=rows.TAKEN + timedelta(days=1))
    start = datetime(2025, 9, 10, 8, 0, tzinfo=UTC)

    def amend(client: Any, number: int) -> None:
        code = "/" if number % 2 else "I"
        moment = {
            "asserted_at": start + timedelta(minutes=number),
            "ingested_at": rows.ARRIVED + timedelta(minutes=number),
        }
        marks = [rows.mark(n, code, offset=number * 1000 + n, batch=number, **moment) for n in pupils]
        rows.history(client, marks)
        rows.history(client, marks)

    amend(db, 1)
    done = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        client = clickhouse_connect.get_client(
            host=stack.clickhouse_host, port=stack.clickhouse_port, database=db.database, autogenerate_session_id=False
        )
        try:
            for number in range(2, 14):
                amend(client, number)
                if number % 3 == 0:
                    for table in ("mark_event", "mark_current", "school_session"):
                        client.command(f"OPTIMIZE TABLE {table} FINAL")
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
        finally:
            client.close()
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    while not done.is_set() or looks == 0:
        looks += 1
        current = ask(db, "SELECT count(), uniqExact(pupil_id), countIf(is_possible) FROM marks_current")
        assert current == [(200, 200, 200)]
        ((marks, possible, split),) = ask(
            db, "SELECT sum(marks), sum(possible), sum(attendance + authorised) FROM school_days"
        )
        assert (marks, possible, split) == (200, 200, 200)
        assert ask(db, "SELECT count() - uniqExact(event_id) FROM marks_history") == [(0,)]
        assert ask(db, f"SELECT count() FROM marks_missing WHERE session_date = '{rows.DAY}' AND session = 'AM'") == [
            (0,)
        ]
    writer.join()
    assert failures == []
    assert ask(db, "SELECT count() FROM marks_history") == [(13 * 200,)]


def test_an_analyst_reads_every_view_and_no_table(stack: Any, db: Any) -> None:
    rows.history(db, [rows.mark(1)])
    tables = ask(db, "SELECT name, engine FROM system.tables WHERE database = currentDatabase() ORDER BY name")
    analyst = clickhouse_connect.get_client(
        host=stack.clickhouse_host, port=stack.clickhouse_port, username="analyst", database=db.database
    )
    try:
        assert ask(analyst, "SELECT pupil_id, school_name FROM marks_current") == [(1, f"School {URN}")]
        for name, engine in tables:
            if engine == "View":
                analyst.query(f"SELECT * FROM {name} LIMIT 1")
            else:
                with pytest.raises(DatabaseError, match=r"497|ACCESS_DENIED"):
                    analyst.query(f"SELECT * FROM {name} LIMIT 1")
        with pytest.raises(DatabaseError):
            analyst.command("TRUNCATE TABLE mark_event")
    finally:
        analyst.close()
    assert ask(db, "SELECT count() FROM mark_event") == [(1,)]


def test_every_table_and_view_says_what_it_is(clickhouse: Any) -> None:
    found = ask(
        clickhouse,
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND comment = '' "
        "AND engine IN ('View', 'ReplacingMergeTree') ORDER BY name",
    )
    assert found == []
