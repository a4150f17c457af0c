"""Pupils merged, split, and undone: current marks and counts follow, the history and verify do not change."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

import pytest

from rollcall.domain.identity import new_pupil_id
from rollcall.domain.pupil_aliases import PupilAlias, check, merge, split
from rollcall.errors import UsageError
from sinks import reference
from sinks.derive import derive, rederive_aliases
from sinks.pupil_aliases import check_beside, history
from sinks.reference import Applied
from sinks.verify import repair, verify
from tests.reference.conftest import applied, roster
from tests.reference.conftest import pupil as named
from tests.streams.messages import DAY, Here, at, mark, page, record, register
from tests.streams.rig import Rig
from tests.streams.town import national

_minutes = itertools.count()


def pupil(ref: str) -> int:
    """Our number of a pupil of the test's school."""
    return new_pupil_id(Here.urn, "mis", ref)


def publication(pupil_id: int, *aliases: PupilAlias) -> Applied:
    """All that is said of a pupil, later than what was said before it."""
    check(str(pupil_id), aliases)
    message = {
        "pupil_id": str(pupil_id),
        "published_at": at(next(_minutes)),
        "author": "data manager",
        "reason": "test",
        "aliases": [{**one._asdict(), "to_pupil_id": str(one.to_pupil_id)} for one in aliases],
    }
    return applied("pupil-alias", message)


def published(rig: Rig, pupil_id: int, *aliases: PupilAlias) -> int:
    """Bring the aliases of a pupil in force, as the loader does; how many session dates were derived again."""
    reference.apply(rig.client, [publication(pupil_id, *aliases)])
    return rederive_aliases(rig.client)


def counting(rig: Rig) -> dict[tuple[int, date], tuple[str, str]]:
    """(pupil_id, date) -> (source, code) that counts."""
    rows = rig.here(
        "SELECT pupil_id, session_date, source, canonical_code FROM mark_current FINAL WHERE is_mark AND urn ="
    )
    return {(pupil_id, day): (source, code) for pupil_id, day, source, code in rows}


def counts(rig: Rig) -> dict[str, int]:
    """Marks by code, of all days; zeros left out."""
    found: dict[str, int] = {}
    for code, marks in rig.here("SELECT canonical_code, marks FROM school_session FINAL WHERE urn ="):
        found[code] = found.get(code, 0) + marks
    return {code: marks for code, marks in found.items() if marks}


def test_merged_pupils_have_one_mark_by_the_rule_and_two_again_when_it_is_undone(working: Rig) -> None:
    one, two = pupil("P0"), pupil("P1")
    working.done(register(mark("P0", "/"), mark("P1", "N"), mark("P2", "I")))
    working.done(register(mark("P0", "L"), session_date=DAY + timedelta(days=1)))
    before, counted = counting(working), counts(working)
    deliveries = "SELECT pupil_id, raw_code, event_id FROM mark_event FINAL WHERE urn ="
    delivered = sorted(working.here(deliveries))
    published(working, one, merge(two))
    assert counting(working) == {
        (two, DAY): ("classroom", "/"),
        (two, DAY + timedelta(days=1)): ("classroom", "L"),
        (pupil("P2"), DAY): ("classroom", "I"),
    }
    assert counts(working) == {"/": 1, "L": 1, "I": 1}
    assert verify(working.client).equal
    published(working, one)
    assert (counting(working), counts(working)) == (before, counted)
    assert verify(working.client).equal
    assert sorted(working.here("SELECT pupil_id, raw_code, event_id FROM mark_event FINAL WHERE urn =")) == sorted(
        delivered
    )
    assert [entry.kind for entry in history(working.client, [one])] == ["merge", "undo"]


def test_a_merged_pupil_is_on_the_roll_once_and_missing_under_no_other_number(working: Rig) -> None:
    """Rule 11 with aliases: else a roll would count the child twice, and its old number would be missing for ever."""
    one, two = pupil("P0"), pupil("P1")
    working.done(register(mark("P0", "/")))

    def rolls() -> tuple[list[int], list[int]]:
        roll = "SELECT pupil_id FROM roll WHERE status = 'main' AND urn ="
        missing = (
            "SELECT DISTINCT pupil_id FROM marks_missing WHERE session = 'AM' AND session_date = '2025-09-10' AND urn ="
        )
        return [row[0] for row in working.here(roll)], [row[0] for row in working.here(missing)]

    on_roll, missing = rolls()
    assert one in on_roll
    assert two in missing
    published(working, one, merge(two))
    merged, still_missing = rolls()
    assert sorted(merged) == sorted(set(on_roll) - {one})
    assert set(still_missing) == set(missing) - {two}
    published(working, one)
    assert sorted(rolls()[0]) == sorted(on_roll)


def test_what_a_merged_number_was_on_roll_for_at_another_time_is_kept_under_the_childs_own(working: Rig) -> None:
    """Who left, came back and was given a new number has both spells."""
    spell = named("mis:OLD", first_day=date(2023, 9, 1), last_day=date(2024, 7, 19))
    back = named("mis:P1", first_day=date(2025, 9, 1))
    reference.apply(working.client, [applied("roster", roster(Here.urn, spell, back, taken_at=at(500)))])
    published(working, pupil("OLD"), merge(pupil("P1")))
    spells = working.here("SELECT pupil_id, first_day FROM roll WHERE urn =")
    assert sorted(spells) == [(pupil("P1"), date(2023, 9, 1)), (pupil("P1"), date(2025, 9, 1))]


def test_a_merged_child_lives_where_its_own_number_does_or_else_where_the_other_did(working: Rig) -> None:
    """What a roster says of where pupils live: of the child's own number first, and nothing said is no place."""
    old, moved = named("mis:OLD"), named("mis:MOVED") | {"residence_la_code": "893"}
    own, other = named("mis:P1") | {"residence_la_code": "894"}, named("mis:P2")
    reference.apply(working.client, [applied("roster", roster(Here.urn, old, moved, own, other, taken_at=at(500)))])
    published(working, pupil("MOVED"), merge(pupil("P2")))
    published(working, pupil("OLD"), merge(pupil("P1")))
    lives = dict(working.here("SELECT pupil_id, residence_la_code FROM residence WHERE urn ="))
    assert lives == {pupil("P1"): "894", pupil("P2"): "893"}


def test_marks_that_come_after_the_merge_of_either_number_are_chosen_among_all(working: Rig) -> None:
    one, two = pupil("P0"), pupil("P1")
    working.done(register(mark("P2", "/")))
    published(working, one, merge(two))
    # Longer than a worker takes to hear of it: what came in between is derived by the second pass of the loader.
    working.done(register(mark("P0", "/"), mark("P2", "/"), session_date=DAY + timedelta(days=1)))
    working.done(page(record("a", "P1", "I", session_date=DAY + timedelta(days=1))))
    rederive_aliases(working.client)
    assert counting(working)[two, DAY + timedelta(days=1)] == ("mis", "I")
    assert (one, DAY + timedelta(days=1)) not in counting(working)
    working.done(page(deletions=["a"], taken_at=at(30), complete=False))
    assert counting(working)[two, DAY + timedelta(days=1)] == ("classroom", "/")
    assert counts(working) == {"/": 3}
    assert verify(working.client).equal


def test_a_number_given_again_is_split_by_date_or_by_source(working: Rig) -> None:
    days = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]
    for day in days:
        working.done(
            register(mark("P0", "/"), mark("P1", "L"), session_date=day),
            page(record(f"r{day}", "P1", "I", session_date=day)),
        )
    by_date, by_source = split(pupil("P0"), first_day=days[1]), split(pupil("P1"), source="mis")
    published(working, pupil("P0"), by_date)
    published(working, pupil("P1"), by_source)
    found = counting(working)
    assert {(number, day) for number, day in found if found[number, day][1] == "/"} == {
        (pupil("P0"), days[0]), (by_date.to_pupil_id, days[1]), (by_date.to_pupil_id, days[2]),
    }  # fmt: skip
    assert all(found[pupil("P1"), day] == ("classroom", "L") for day in days)
    assert all(found[by_source.to_pupil_id, day] == ("mis", "I") for day in days)
    assert counts(working) == {"/": 3, "L": 3, "I": 3}
    assert verify(working.client).equal
    published(working, pupil("P1"))
    assert counts(working) == {"/": 3, "I": 3}, "nobody has the split-off number any more"
    assert verify(working.client).equal
    assert split(pupil("P0"), first_day=days[1]) == by_date


def test_a_chain_is_refused_and_where_two_came_about_the_alias_to_an_aliased_pupil_waits(working: Rig) -> None:
    one, two, three = pupil("P0"), pupil("P1"), pupil("P2")
    working.done(register(mark("P0", "/"), mark("P1", "I"), mark("P2", "-")))
    published(working, one, merge(two))
    with pytest.raises(UsageError, match=f"marks of pupil {one} count for {two}"):
        check_beside(working.client, two, [merge(three)])
    with pytest.raises(UsageError, match=f"name {two} instead"):
        check_beside(working.client, three, [merge(one)])
    published(working, two, merge(three))
    assert counting(working) == {(one, DAY): ("classroom", "/"), (three, DAY): ("classroom", "I")}
    assert verify(working.client).equal
    published(working, two)
    assert set(counting(working)) == {(two, DAY)}
    assert verify(working.client).equal


def test_a_pupil_who_counted_for_one_and_now_for_another_takes_nothing_from_the_first(working: Rig) -> None:
    one, two, three, four = (pupil(f"P{n}") for n in range(4))
    working.done(register(mark("P0", "/"), mark("P1", "I"), mark("P2", "L"), mark("P3", "M")))
    published(working, one, merge(two))
    published(working, one)
    published(working, one, merge(three))
    published(working, four, merge(three))
    expected = {(two, DAY): ("classroom", "I")}
    assert {key: said for key, said in counting(working).items() if key[0] == two} == expected
    # A later publication, and a batch that touches one who is linked to both by way of a third.
    reference.apply(working.client, [applied("code-map", national(90, published_at=at(next(_minutes) + 60)))])
    working.done(register(mark("P3", "C"), submitted_at=at(5), complete=False))
    assert {key: said for key, said in counting(working).items() if key[0] == two} == expected
    assert counting(working)[three, DAY] == ("classroom", "C")
    assert verify(working.client).equal
    batches = [row[0] for row in working.here("SELECT DISTINCT batch FROM touched WHERE urn =")]
    derive(working.client, batches)
    assert verify(working.client).equal


def test_aliases_hold_for_a_worker_that_is_started_anew_and_for_repair(rig: Rig) -> None:
    one, two = pupil("P0"), pupil("P1")
    published(rig, one, merge(two))
    with rig.worker():
        rig.done(register(mark("P0", "/"), mark("P1", "N")))
    with rig.worker():
        rig.done(register(mark("P1", "I"), submitted_at=at(3), complete=False))
        rig.done(register(mark("P0", "L"), submitted_at=at(4), complete=False))
        assert counting(rig) == {(two, DAY): ("classroom", "L")}
    rig.check()
    rig.client.command(f"DELETE FROM mark_current WHERE pupil_id = {two}")
    assert repair(rig.client, verify(rig.client, tries=1).differences) == 1
    assert counting(rig) == {(two, DAY): ("classroom", "L")}
    assert verify(rig.client).equal


@pytest.mark.parametrize(
    ("pupil_id", "aliases", "complaint"),
    [
        ("0", [], "no pupil_id"),
        ("12", [merge(12)], "its own pupil_id"),
        ("12", [merge(13), merge(14)], "not for two"),
        ("12", [PupilAlias(13, "rename")], "kind is merge or split"),
        ("12", [PupilAlias(13, "split", first_day=DAY, last_day=date(2025, 9, 1))], "ends before"),
    ],
)
def test_aliases_that_must_not_be_are_refused(pupil_id: str, aliases: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(pupil_id, aliases)
