"""Pages of a snapshot through the worker: what receipts keep, what the history does not, what two cuts differ in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sinks.snapshots import Change, changes, known
from tests.streams.messages import DAY, Here, at, page, record
from tests.streams.rig import Fate, Rig

PUPILS = range(6)
#: Nobody has more time than this to be taken in.
LATER = datetime(2100, 1, 1, tzinfo=UTC)


def cut(label: str, minutes: float, *records: Any, **facts: Any) -> dict[str, Any]:
    return page(*records, snapshot=f"strike/{label}", taken_at=at(minutes), **facts)


def marks(*codes: str) -> list[dict[str, Any]]:
    return [record(f"r{number}", f"P{number}", code) for number, code in enumerate(codes)]


def coverage(rig: Rig) -> Any:
    return rig.here(
        "SELECT cut, is_whole, pages, marks, accepted, unchanged, quarantined, session_date FROM snapshot_coverage "
        "WHERE snapshot = 'strike' AND urn ="
    )


def differ(rig: Rig, first: str, second: str) -> list[tuple[str, str, str, int]]:
    """What changed at the test's school between two cuts, of which each ended when its last page was on Kafka."""
    cuts = [known(rig.client, f"strike/{label}", _on_kafka(rig, label)) for label in (first, second)]
    assert all(one.unfinished == 0 for one in cuts)
    found = [Change(*one) for one in changes(rig.client, DAY, *cuts)]
    return [(one.session, one.before, one.after, one.marks) for one in found if one.urn == Here.urn]


def _on_kafka(rig: Rig, label: str) -> datetime:
    ((produced,),) = rig.here(
        f"SELECT max(produced_at) FROM register_receipt WHERE snapshot = 'strike/{label}' AND urn ="
    )
    return produced.replace(tzinfo=UTC)  # type: ignore[no-any-return]


def test_an_unchanged_second_cut_writes_no_history_and_a_receipt_that_names_it(working: Rig) -> None:
    first = working.done(cut("08:00", 0, *marks("/", "/", "N")))
    again = working.done(cut("09:00", 60, *marks("/", "/", "N")))
    assert first == [[Fate("accepted")] * 3]
    assert again == [[Fate("unchanged")] * 3]
    assert working.here("SELECT count() FROM mark_event FINAL WHERE urn =") == [(3,)]
    assert sorted(coverage(working)) == [
        ("08:00", True, 1, 3, 3, 0, 0, DAY),
        ("09:00", True, 1, 3, 0, 3, 0, DAY),
    ]
    assert differ(working, "08:00", "09:00") == []


def test_what_two_cuts_differ_in_is_new_changed_and_withdrawn(working: Rig) -> None:
    working.done(cut("08:00", 0, *marks("/", "/", "N", "L", "?7")))
    working.done(
        cut("09:00", 60, *marks("/", "I", "L", "-", "?8"), record("r9", "P5", "\\", session="PM"), deletions=[])
    )
    assert differ(working, "08:00", "09:00") == [
        ("AM", "/", "I", 1),
        ("AM", "??7", "??8", 1),
        ("AM", "L", "", 1),
        ("AM", "N", "L", 1),
        ("PM", "", "\\", 1),
    ]
    working.done(cut("10:00", 120, *marks("/", "/", "L", "-", "?8")))
    assert differ(working, "09:00", "10:00") == [("AM", "I", "/", 1)]
    assert differ(working, "08:00", "10:00") == [("AM", "??7", "??8", 1), ("AM", "L", "", 1), ("AM", "N", "L", 1),
                                                 ("PM", "", "\\", 1)]  # fmt: skip


def test_a_second_record_of_a_pupil_changes_nothing_until_the_first_is_gone(working: Rig) -> None:
    working.done(cut("08:00", 0, record("r1", "P0", "N")))
    working.done(cut("09:00", 60, record("r1", "P0", "N"), record("r2", "P0", "N")))
    assert differ(working, "08:00", "09:00") == []
    working.done(cut("10:00", 120, record("r2", "P0", "N"), deletions=["r1"]))
    assert differ(working, "09:00", "10:00") == []
    working.done(cut("11:00", 180, deletions=["r2"]))
    assert differ(working, "10:00", "11:00") == [("AM", "N", "", 1)]


def test_only_schools_that_gave_a_page_to_a_cut_are_compared(working: Rig) -> None:
    working.done(cut("08:00", 0, record("r1", "P0", "N")))
    working.done(page(record("x1", "P1", "I"), source="another", taken_at=at(30)))
    working.done(cut("09:00", 60, record("r1", "P0", "/")))
    assert differ(working, "08:00", "09:00") == [("AM", "N", "/", 1)]


def test_a_pull_that_was_killed_is_passed_over_for_the_whole_one_after_it(working: Rig) -> None:
    half = cut("08:00", 0, *marks("/", "/"), last_page=False)
    whole = [
        cut("08:00", 5, *marks("/", "/"), pull_id="whole", last_page=False),
        cut("08:00", 5, record("r2", "P2", "/"), pull_id="whole", page=1),
    ]
    working.done(half)
    assert [row[1] for row in coverage(working)] == [False]
    working.done(*whole)
    assert coverage(working) == [("08:00", True, 2, 3, 1, 2, 0, DAY)]


def test_a_page_that_is_not_taken_in_yet_is_not_counted_as_known(working: Rig) -> None:
    working.done(cut("08:00", 0, *marks("/")))
    before = known(working.client, "strike/08:00", LATER)
    assert known(working.client, "strike/12:00", at(0)).pages == 0
    assert before.at == LATER
    early = known(working.client, "strike/08:00", at(-60 * 24 * 365))
    assert early.pages == 0


def test_what_a_page_of_changes_says_again_is_unchanged_and_a_late_page_does_not_win(working: Rig) -> None:
    working.done(cut("08:00", 0, *marks("/", "/")))
    of_no_days = {"complete": False, "window_from": None, "window_to": None}
    again, late, elsewhere = working.done(
        cut("09:00", 60, record("r0", "P0", "/"), complete=False),
        page(record("r0", "P0", "N"), taken_at=at(30), **of_no_days),
        page(record("r1", "P1", "/"), taken_at=at(90), **of_no_days),
    )
    assert (again, late, elsewhere) == ([Fate("unchanged")], [Fate("superseded")], [Fate("accepted")])
    assert sorted(coverage(working))[-1] == ("09:00", True, 1, 1, 0, 1, 0, DAY)
    empty = cut("10:00", 120, complete=False)
    assert working.done(empty) == [[]]
    assert sorted(coverage(working))[-1] == ("10:00", True, 1, 0, 0, 0, 0, DAY)
