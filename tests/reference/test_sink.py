"""Reference data in ClickHouse: which version is in force, what a repeat does, and what the worker reads."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sinks import reference
from sinks.reference import Refused, refuse
from sinks.reference_rows import TABLES
from tests.reference.conftest import TAKEN, Cut, applied, calendar, code_map, pupil, roster, school

LATER = TAKEN + timedelta(days=1)


def crosswalk(client: Any, urn: int) -> dict[str, dict[str, Any]]:
    rows = reference.load_crosswalk(client, [urn]).to_pylist()
    return {f"{row['scheme']}:{row['ref']}": row for row in rows}


def everything(client: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Every reference table, merged; when it was applied aside."""
    tables = dict.fromkeys(TABLES, "*") | {
        "reference_version": "* EXCEPT applied_at",
        "reference_position": "*",
    }
    return {
        name: sorted(client.query(f"SELECT {columns} FROM {name} FINAL").result_rows, key=repr)
        for name, columns in tables.items()
    }


def test_a_roster_becomes_crosswalk_enrolments_and_groups(clickhouse: Any, urn: int) -> None:
    one = pupil("mis:1", "upn:k1:aa", last_day=date(2025, 12, 19), boarder=True)
    post_16 = pupil("mis:2", age=16, year_group="12")
    assert reference.apply(clickhouse, [applied("roster", roster(urn, one, post_16))]) == (1, 0)
    known = crosswalk(clickhouse, urn)
    assert known["mis:1"]["pupil_id"] == known["upn:k1:aa"]["pupil_id"] != known["mis:2"]["pupil_id"]
    rows = {row["pupil_id"]: row for row in reference.load_enrolments(clickhouse, [urn]).to_pylist()}
    assert rows[known["mis:1"]["pupil_id"]] == {
        "urn": urn,
        "pupil_id": known["mis:1"]["pupil_id"],
        "first_day": date(2024, 9, 1),
        "last_day": date(2025, 12, 19),
        "year_group": "5",
        "in_scope": True,
    }
    assert rows[known["mis:2"]["pupil_id"]]["last_day"] == date(2149, 6, 6)
    assert rows[known["mis:2"]["pupil_id"]]["in_scope"] is False
    assert clickhouse.query("SELECT count(), any(group_id) FROM group_membership FINAL").result_rows == [(2, "5A")]


def test_a_later_roster_replaces_an_earlier_one_and_pupils_keep_their_numbers(clickhouse: Any, urn: int) -> None:
    reference.apply(clickhouse, [applied("roster", roster(urn, pupil("mis:1"), pupil("mis:2")))])
    before = crosswalk(clickhouse, urn)
    leaver_gone = roster(urn, pupil("mis:1", "upn:k1:aa"), pupil("mis:3"), taken_at=LATER)
    reference.apply(clickhouse, [applied("roster", leaver_gone)])
    known = crosswalk(clickhouse, urn)
    assert known["mis:1"]["pupil_id"] == before["mis:1"]["pupil_id"] == known["upn:k1:aa"]["pupil_id"]
    assert known["mis:2"] == before["mis:2"], "marks of the past still resolve"
    on_roll = {row["pupil_id"] for row in reference.load_enrolments(clickhouse, [urn]).to_pylist()}
    assert on_roll == {known["mis:1"]["pupil_id"], known["mis:3"]["pupil_id"]}


def test_a_roster_that_comes_late_adds_its_pupils_and_is_not_in_force(clickhouse: Any, urn: int) -> None:
    newer = roster(urn, pupil("mis:1", "upn:k1:aa"), pupil("mis:2", "upn:k1:aa"), taken_at=LATER)
    older = roster(urn, pupil("mis:1", "upn:k1:aa"), pupil("mis:9"))
    reference.apply(clickhouse, [applied("roster", newer)])
    reference.apply(clickhouse, [applied("roster", older)])
    known = crosswalk(clickhouse, urn)
    assert known["mis:1"]["upn_shared"], "a newer roster's finding stands"
    assert known["upn:k1:aa"]["ambiguous"]
    on_roll = {row["pupil_id"] for row in reference.load_enrolments(clickhouse, [urn]).to_pylist()}
    assert on_roll == {known["mis:1"]["pupil_id"], known["mis:2"]["pupil_id"]}
    assert known["mis:9"]["pupil_id"] not in on_roll


def test_an_empty_roster_is_in_force_too(clickhouse: Any, urn: int) -> None:
    reference.apply(clickhouse, [applied("roster", roster(urn, pupil("mis:1")))])
    reference.apply(clickhouse, [applied("roster", roster(urn, taken_at=LATER))])
    assert reference.load_enrolments(clickhouse, [urn]).num_rows == 0


def test_findings_of_upns_stand_on_every_reference_of_the_pupil_rule_5(clickhouse: Any, urn: int) -> None:
    entries = [
        pupil("mis:1", "upn:k1:aa"),
        pupil("mis:2", "upn:k1:aa"),
        pupil("mis:3", "upn-invalid:k1:zz"),
        pupil("mis:4"),
    ]
    reference.apply(clickhouse, [applied("roster", roster(urn, *entries))])
    known = crosswalk(clickhouse, urn)
    assert {name for name, row in known.items() if row["upn_shared"]} == {"mis:1", "mis:2", "upn:k1:aa"}
    assert {name for name, row in known.items() if row["upn_invalid"]} == {"mis:3", "upn-invalid:k1:zz"}
    assert {name for name, row in known.items() if row["ambiguous"]} == {"upn:k1:aa"}
    assert len({known[f"mis:{one}"]["pupil_id"] for one in (1, 2, 3, 4)}) == 4


def test_one_pupil_at_two_schools_is_one_by_upn(clickhouse: Any, urn: int) -> None:
    both = [applied("roster", roster(one, pupil(f"mis:{one}", "upn:k1:aa"))) for one in (urn, urn + 90_000)]
    reference.apply(clickhouse, both)
    table = reference.load_crosswalk(clickhouse).to_pylist()
    assert len(table) == 4
    assert len({row["pupil_id"] for row in table}) == 1


def test_the_same_message_again_is_no_new_version(clickhouse: Any, urn: int) -> None:
    message = applied("roster", roster(urn, pupil("mis:1")))
    reference.apply(clickhouse, [message])
    _, seen = reference.changes_since(clickhouse, None)
    again = applied("roster", message.record, digest=message.digest)
    assert reference.apply(clickhouse, [again, again]) == (0, 2)
    assert reference.changes_since(clickhouse, seen) == ([], seen)
    assert reference.applied_positions(clickhouse) == {("test", 0): again.offset + 1}


def test_two_versions_of_one_millisecond_do_not_mix_and_the_later_offset_counts(clickhouse: Any, urn: int) -> None:
    first, second = (applied("roster", roster(urn, pupil(ref))) for ref in ("mis:1", "mis:2"))
    for _ in range(2):
        reference.apply(clickhouse, [first, second])
        on_roll = {row["pupil_id"] for row in reference.load_enrolments(clickhouse, [urn]).to_pylist()}
        assert on_roll == {crosswalk(clickhouse, urn)["mis:2"]["pupil_id"]}
    assert clickhouse.query("SELECT count() FROM reference_version FINAL").result_rows == [(2,)]


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9])
def test_a_call_that_was_cut_short_and_repeated_leaves_what_one_call_leaves(
    clickhouse: Any, urn: int, cut: int
) -> None:
    """The client's connection fails at its n-th insert: what a crash between two tables leaves behind."""
    batch = [
        applied("roster", roster(urn, pupil("mis:1", "upn:k1:aa"), pupil("mis:2", "upn:k1:aa"))),
        applied("school", school(urn)),
        applied("calendar", calendar(urn)),
        applied("roster", roster(urn, pupil("mis:1", "upn:k1:aa"), pupil("mis:2", "upn:k1:bb"), taken_at=LATER)),
    ]

    with pytest.raises(ConnectionResetError):
        reference.apply(Cut(clickhouse, cut), batch)  # type: ignore[arg-type]
    if cut < 9:
        assert reference.changes_since(clickhouse, None)[0] == [], "nothing is in force before all of it is there"
    reference.apply(clickhouse, batch)
    known = crosswalk(clickhouse, urn)
    assert not any(row["ambiguous"] or row["upn_shared"] for row in known.values())
    assert known["upn:k1:bb"]["pupil_id"] == known["mis:2"]["pupil_id"] != known["mis:1"]["pupil_id"]
    counts = {name: len(rows) for name, rows in everything(clickhouse).items() if rows}
    assert counts == {
        "crosswalk": 4,
        "enrolment": 4,
        "group_membership": 4,
        "school": 1,
        "code_category": 39,  # those built in
        "source_rule": 4,  # the same
        "school_week": 16,
        "calendar_term": 1,
        "school_calendar": 1,
        "reference_version": 4,
        "reference_position": 1,
    }
    assert clickhouse.query("SELECT urn, school_name FROM schools").result_rows == [(urn, "A school")]


def test_schools_keep_their_facts_per_day_and_the_later_message_about_a_day_counts(clickhouse: Any, urn: int) -> None:
    reference.apply(
        clickhouse,
        [
            applied("school", school(urn, phase="Primary")),
            applied("school", school(urn, taken_at=LATER, phase="Special")),
            applied(
                "school", school(urn, trust_id="T1", valid_from=date(2026, 1, 1), taken_at=LATER + timedelta(days=1))
            ),
        ],
    )
    rows = reference.load_schools(clickhouse).to_pylist()
    assert [(row["phase"], row["trust_id"], row["valid_from"]) for row in rows] == [
        ("Special", "", date(2015, 9, 1)),
        ("Primary", "T1", date(2026, 1, 1)),
    ]


def test_open_spans_are_terms_without_closures_year_by_year_rule_21(clickhouse: Any, urn: int) -> None:
    half_term = (date(2025, 10, 27), date(2025, 10, 31))
    last_day = (date(2025, 12, 19), date(2025, 12, 31))
    reference.apply(
        clickhouse,
        [
            applied("calendar", calendar(urn)),
            applied("calendar", calendar(urn, year=2024)),
            applied("calendar", calendar(urn, taken_at=LATER, closures=[half_term, half_term, last_day])),
        ],
    )
    assert [(row["first_day"], row["last_day"]) for row in reference.load_calendar(clickhouse).to_pylist()] == [
        (date(2024, 9, 3), date(2024, 12, 19)),
        (date(2025, 9, 3), date(2025, 10, 26)),
        (date(2025, 11, 1), date(2025, 12, 18)),
    ]


def test_the_greatest_version_of_each_scheme_is_in_force(clickhouse: Any) -> None:
    assert reference.load_code_map(clickhouse).version == 0
    reference.apply(
        clickhouse,
        [
            applied("code-map", code_map("local", 3, ("9", "Y"), ("8", "C"), published_at=LATER)),
            applied("code-map", code_map("national", 1, ("/", "/"))),
            applied("code-map", code_map("local", 2, ("9", "I"))),
        ],
    )
    entries, version = reference.load_code_map(clickhouse)
    assert version == 4, "each that comes in force takes the next number of all"
    assert [(row["scheme"], row["raw_code"], row["canonical_code"]) for row in entries.to_pylist()] == [
        ("local", "8", "C"),
        ("local", "9", "Y"),
        ("national", "/", "/"),
    ]


def test_expected_registers_keep_their_times_and_weekdays(clickhouse: Any, urn: int) -> None:
    register = {
        "group_id": "5A",
        "session": "AM",
        "period": None,
        "opens_at": "08:45",
        "closes_at": "09:15",
        "weekdays": [5, 1, 1, 9],
        "valid_from": date(2025, 9, 1),
        "valid_to": None,
        "groups": ["5A", "5B"],
        "weeks": ["A"],
    }
    record = {"urn": urn, "source": "test", "taken_at": TAKEN, "registers": [register]}
    reference.apply(clickhouse, [applied("register", record)])
    assert clickhouse.query(
        "SELECT urn, group_id, session, period, opens_at, closes_at, weekdays, valid_to, groups, weeks "
        "FROM expected_register FINAL"
    ).result_rows == [(urn, "5A", "AM", "", "08:45", "09:15", [1, 5], date(2149, 6, 6), ["5A", "5B"], ["A"])]


def test_registers_that_differ_in_their_days_only_are_two(clickhouse: Any, urn: int) -> None:
    register = {
        "group_id": "5A",
        "session": "AM",
        "period": None,
        "valid_from": date(2025, 9, 1),
        "valid_to": None,
        "groups": [],
        "weeks": [],
    }
    times = [("08:45", "09:15", [1, 2, 3, 4]), ("09:30", "09:45", [5])]
    registers = [
        {**register, "opens_at": opens, "closes_at": closes, "weekdays": days} for opens, closes, days in times
    ]
    record = {"urn": urn, "source": "test", "taken_at": TAKEN, "registers": registers}
    for _ in range(2):
        reference.apply(clickhouse, [applied("register", record)])
    found = clickhouse.query("SELECT opens_at, weekdays FROM expected_register FINAL ORDER BY ALL").result_rows
    assert found == [("08:45", [1, 2, 3, 4]), ("09:30", [5])]


def test_a_calendar_keeps_its_weeks(clickhouse: Any, urn: int) -> None:
    cycle = [{"first_day": date(2025, 9, 3), "weeks": ["A", "B"]}]
    reference.apply(clickhouse, [applied("calendar", calendar(urn) | {"week_cycle": cycle})])
    reference.apply(clickhouse, [applied("calendar", calendar(urn, year=2024))])
    weeks = clickhouse.query("SELECT week_commencing, week FROM school_weeks ORDER BY ALL LIMIT 3").result_rows
    assert weeks == [(date(2025, 9, 1), "A"), (date(2025, 9, 8), "B"), (date(2025, 9, 15), "A")]


def test_changes_are_told_once(clickhouse: Any, urn: int) -> None:
    assert reference.changes_since(clickhouse, None) == ([], None)
    reference.apply(clickhouse, [applied("school", school(urn)), applied("roster", roster(urn, pupil("mis:1")))])
    changes, seen = reference.changes_since(clickhouse, None)
    assert changes == [("roster", str(urn)), ("school", str(urn))]
    assert reference.changes_since(clickhouse, seen) == ([], seen)
    reference.apply(clickhouse, [applied("roster", roster(urn, taken_at=LATER))])
    changes, later = reference.changes_since(clickhouse, seen)
    assert changes == [("roster", str(urn))]
    assert seen is not None
    assert later is not None
    assert later > seen


def test_some_schools_or_all_are_read_and_none_is_not_all(clickhouse: Any, urn: int) -> None:
    reference.apply(clickhouse, [applied("roster", roster(one, pupil("mis:1"))) for one in (urn, urn + 90_000)])
    for read in (reference.load_crosswalk, reference.load_enrolments):
        assert [read(clickhouse, urns).num_rows for urns in (None, [urn], [urn, urn + 90_000], [urn + 1], [])] == [
            2,
            1,
            2,
            0,
            0,
        ]


def test_positions_never_go_back(clickhouse: Any) -> None:
    for offset in (5, 9, 7):
        reference.apply(clickhouse, [], {("test", 3): offset})
    assert reference.applied_positions(clickhouse) == {("test", 3): 9}


def test_what_is_refused_keeps_its_bytes_once(clickhouse: Any) -> None:
    bad = Refused(
        "undecodable",
        "cut short",
        "reference.roster.v1",
        "test",
        2,
        7,
        b"500001",
        b"\0\1",
        0,
        datetime(2025, 9, 1, tzinfo=UTC),
    )
    for _ in range(2):
        refuse(clickhouse, [bad])
    assert clickhouse.query("SELECT reason, source, item, offset FROM quarantine FINAL").result_rows == [
        ("undecodable", "reference", -1, 7)
    ]
    (row,) = clickhouse.query("SELECT hex(value), is_null, key FROM quarantine_message FINAL").result_rows
    assert row == ("0001", False, "500001")
