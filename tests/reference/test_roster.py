"""Rosters to pupils: who is new, who is found again, and that nobody is merged (rules 5, 11). All refs are made up."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollcall.domain.identity import new_pupil_id
from sinks.roster import NOBODY, CrosswalkRow, Ref, in_scope, resolve

URN = 100001


def pupil(*refs: str) -> dict[str, Any]:
    """A roster's pupil; a reference is written scheme:ref."""
    return {"refs": [dict(zip(("scheme", "ref"), ref.split(":", 1), strict=True)) for ref in refs]}


def identified(
    roster: list[dict[str, Any]], known: dict[Ref, int] | None = None
) -> tuple[list[int], dict[str, CrosswalkRow]]:
    """The pupils' ids in order, and the crosswalk's rows by "scheme:ref"."""
    pupils, rows = resolve(URN, roster, known or {})
    return [one.pupil_id for one in pupils], {":".join(row.ref): row for row in rows}


def after(rows: dict[str, CrosswalkRow], known: dict[Ref, int] | None = None) -> dict[Ref, int]:
    return {**(known or {}), **{row.ref: row.pupil_id for row in rows.values()}}


def test_a_valid_upn_gives_the_same_pupil_at_two_schools() -> None:
    here, _ = resolve(100001, [pupil("mis:1", "upn:k1:aa")], {})
    there, _ = resolve(100002, [pupil("mis:7", "upn:k1:aa")], {})
    assert here[0].pupil_id == there[0].pupil_id == new_pupil_id(1, "upn", "k1:aa")


def test_without_a_valid_upn_the_primary_reference_gives_the_pupil() -> None:
    (one,), rows = identified([pupil("wonde:A1", "mis:1", "upn-invalid:k1:bb")])
    assert one == new_pupil_id(URN, "wonde", "A1")
    assert {row.pupil_id for row in rows.values()} == {one}
    assert all(row.upn_invalid and not row.upn_shared and not row.ambiguous for row in rows.values())


def test_one_upn_on_two_pupils_merges_nobody_rule_5() -> None:
    (one, other), rows = identified([pupil("mis:1", "upn:k1:aa"), pupil("mis:2", "upn:k1:aa")])
    assert one != other
    assert new_pupil_id(URN, "upn", "k1:aa") not in (one, other)
    assert (rows["mis:1"].pupil_id, rows["mis:2"].pupil_id) == (one, other)
    assert all(row.upn_shared for row in rows.values())
    assert [row.ambiguous for row in rows.values()] == [False, True, False]
    assert rows["upn:k1:aa"].pupil_id == NOBODY


def test_a_shared_upn_that_is_put_right_names_its_pupil() -> None:
    (one, other), rows = identified([pupil("mis:1", "upn:k1:aa"), pupil("mis:2", "upn:k1:aa")])
    again, rows = identified([pupil("mis:1", "upn:k1:aa"), pupil("mis:2", "upn:k1:bb")], after(rows))
    assert again == [one, other]
    assert (rows["upn:k1:aa"].pupil_id, rows["upn:k1:bb"].pupil_id) == (one, other)
    assert not any(row.upn_shared or row.ambiguous for row in rows.values())


def test_a_pupil_is_found_again_by_any_reference_after_a_change_of_mis() -> None:
    (one,), rows = identified([pupil("wonde:A1", "mis:1", "upn:k1:aa")])
    (again,), _ = identified([pupil("arbor:77", "mis:9", "upn:k1:aa")], after(rows))
    assert again == one


def test_a_upn_that_comes_later_changes_no_pupil() -> None:
    (one,), rows = identified([pupil("mis:1")])
    (again,), rows = identified([pupil("mis:1", "upn:k1:aa")], after(rows))
    assert again == one
    assert rows["upn:k1:aa"].pupil_id == one


def test_swapped_upns_move_nobody_and_name_nobody_until_somebody_looks() -> None:
    (one, other), rows = identified([pupil("mis:1", "upn:k1:aa"), pupil("mis:2", "upn:k1:bb")])
    again, rows = identified([pupil("mis:1", "upn:k1:bb"), pupil("mis:2", "upn:k1:aa")], after(rows))
    assert again == [one, other]
    assert {name for name, row in rows.items() if row.ambiguous} == {"upn:k1:aa", "upn:k1:bb"}


def test_a_upn_that_moves_to_a_new_pupil_merges_nobody() -> None:
    (one,), rows = identified([pupil("mis:1", "upn:k1:aa")])
    again, rows = identified([pupil("mis:1"), pupil("mis:2", "upn:k1:aa")], after(rows))
    assert again[0] == one
    assert again[1] != one
    assert rows["upn:k1:aa"].ambiguous
    assert not rows["mis:2"].ambiguous


def test_a_pupil_listed_twice_with_the_same_references_is_one() -> None:
    pupils, rows = resolve(URN, [pupil("mis:1"), pupil("mis:1")], {})
    assert [len(one.entries) for one in pupils] == [2]
    assert not rows[0].ambiguous


def test_a_pupil_without_any_reference_of_their_own_still_has_a_number() -> None:
    ids, rows = identified([pupil("mis:1"), pupil("mis:1", "upn:k1:aa"), pupil("upn:k1:aa")])
    assert len(set(ids)) == 3
    assert all(row.ambiguous for row in rows.values())


def test_scope_is_ages_5_to_15_in_compulsory_years_rule_14() -> None:
    assert [in_scope(age, "1") for age in (4, 5, 15, 16)] == [False, True, True, False]
    assert [in_scope(10, year) for year in ("N1", "N2", "R", "1", "11", "12", "13", "")] == [
        False, False, True, True, True, False, False, True,
    ]  # fmt: skip


refs = st.lists(
    st.tuples(st.sampled_from(["mis", "wonde", "upn", "upn-invalid"]), st.sampled_from("abcdef")),
    min_size=1,
    max_size=4,
).map(lambda pairs: pupil(*(f"{scheme}:{ref}" for scheme, ref in pairs)))
rosters = st.lists(refs, max_size=8)


@given(st.lists(rosters, min_size=1, max_size=4))
def test_whatever_the_rosters_say_nobody_is_merged_and_pairs_keep_their_pupil(
    history: list[list[dict[str, Any]]],
) -> None:
    known: dict[Ref, int] = {}
    for roster in history:
        pupils, rows = resolve(URN, roster, known)
        ids = [one.pupil_id for one in pupils]
        assert len(set(ids)) == len(ids)
        assert NOBODY not in ids
        assert sum(len(one.entries) for one in pupils) == len(roster)
        for row in rows:
            assert known.get(row.ref, NOBODY) in (NOBODY, row.pupil_id)
        clear = {row.ref: row.pupil_id for row in rows if not row.ambiguous}
        for one in pupils:
            for ref in one.entries[0]["refs"]:
                assert clear.get((ref["scheme"], ref["ref"]), one.pupil_id) == one.pupil_id
        carriers = Counter(
            ref for one in pupils for ref in {(ref["scheme"], ref["ref"]) for ref in one.entries[0]["refs"]}
        )
        assert all(row.ambiguous for row in rows if carriers[row.ref] > 1)
        known.update({row.ref: row.pupil_id for row in rows})


@given(rosters, rosters)
def test_a_roster_applied_twice_gives_the_same_pupils(
    before: list[dict[str, Any]], roster: list[dict[str, Any]]
) -> None:
    known: dict[Ref, int] = {row.ref: row.pupil_id for row in resolve(URN, before, {})[1]}
    pupils, rows = resolve(URN, roster, known)
    again, rows_again = resolve(URN, roster, {**known, **{row.ref: row.pupil_id for row in rows}})
    assert [one.pupil_id for one in again] == [one.pupil_id for one in pupils]
    assert rows_again == rows
