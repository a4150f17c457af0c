"""What lost and by which rule; and the live basis, in which a kiosk may stand for a missing mark or an N (rule 17)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sinks.reports import day_report
from sinks.verify import verify
from tests.streams.messages import DAY, Here, at, evidence, mark, page, record, register
from tests.streams.rig import Rig


def losers(rig: Rig) -> set[tuple[str, str, str, str]]:
    """(code that counts, code that lost, its source, rule) of the conflicts."""
    return set(
        rig.here("SELECT canonical_code, loser_canonical_code, loser_source, rule FROM marks_conflicting WHERE urn =")
    )


def live(rig: Rig) -> dict[tuple[str, str, str], int]:
    """(code, rule, statutory code) -> marks of the live basis."""
    return Counter(rig.here("SELECT canonical_code, rule, statutory_code FROM marks_live WHERE urn ="))


def counted(rig: Rig, view: str) -> dict[str, int]:
    """Marks by code of a view of counts; codes of none left out."""
    return {code: marks for code, marks in rig.here(f"SELECT canonical_code, marks FROM {view} WHERE urn =") if marks}


def test_what_lost_stands_beside_what_counts_with_the_rule_that_chose(working: Rig) -> None:
    working.done(
        register(mark("P0", "/"), mark("P1", "N"), mark("P2", "I"), mark("P3", "/"), mark("P4", "QQ")),
        page(*(record(f"r{i}", f"P{i}", code) for i, code in enumerate(["N", "I", "L", "/", "/"])), taken_at=at(1)),
        register(mark("P5", "/"), submitted_at=at(5)),
        register(mark("P5", "L"), source="second-room"),
    )
    assert losers(working) == {
        ("/", "N", "mis", "definite_code"),
        ("I", "N", "classroom", "definite_code"),
        ("L", "I", "classroom", "mis_before_register"),
        ("/", "", "classroom", "definite_code"),
        ("/", "L", "second-room", "latest"),
    }
    assert verify(working.client).equal


def test_a_conflict_that_is_over_is_none(working: Rig) -> None:
    working.done(register(mark("P0", "/")), page(record("a", "P0", "I")))
    assert losers(working) == {("I", "/", "classroom", "mis_before_register")}
    working.done(page(record("a", "P0", "/"), taken_at=at(10)))
    assert losers(working) == set()
    working.done(page(record("a", "P0", "I"), taken_at=at(20)))
    working.done(page(deletions=["a"], taken_at=at(30), complete=False))
    assert losers(working) == set()
    assert working.current()[Here.urn, "P0", "AM"] == ("classroom", "/", "/")


@pytest.mark.parametrize("first", ["kiosk", "others"])
def test_a_kiosk_stands_for_missing_and_n_and_for_no_other_in_the_live_basis_alone(working: Rig, first: str) -> None:
    others = [
        register(mark("P0", "N"), mark("P1", "QQ"), mark("P2", "I"), mark("P3", "-"), submitted_at=at(1)),
        page(record("a", "P4", "N"), record("b", "P5", "/")),
    ]
    seen = [evidence(f"P{i}", "U", at(90)) for i in range(6)]
    for messages in (seen, others) if first == "kiosk" else (others, seen):
        working.done(*messages)
    assert live(working) == {
        ("U", "kiosk_for_n", "N"): 2,
        ("", "statutory", ""): 1,
        ("I", "statutory", "I"): 1,
        ("/", "statutory", "/"): 1,
        ("U", "kiosk_for_missing", ""): 1,
    }
    assert counted(working, "session_counts") == {"N": 2, "": 1, "I": 1, "/": 1}
    assert counted(working, "session_counts_live") == {"U": 3, "": 1, "I": 1, "/": 1}


def test_of_two_sign_ins_the_first_says_when_the_pupil_came(working: Rig) -> None:
    working.done(evidence("P0", "U", at(90), submission_id="e-2"), evidence("P0", "/", at(-5), submission_id="e-1"))
    assert live(working) == {("/", "kiosk_for_missing", ""): 1}


def test_a_report_names_its_basis_and_only_the_live_one_has_seen_the_kiosk(working: Rig) -> None:
    working.done(register(mark("P0", "N"), mark("P1", "/")), evidence("P0", "L", at(20)))

    def report(basis: Any) -> tuple[str, int, int, int]:
        found = day_report(working.client, DAY, "school", headline=False, basis=basis)
        (line,) = [one for one in found.lines if one.key == str(Here.urn)]
        return found.as_json()["basis"], line.attendance, line.unauthorised, line.late

    assert report("statutory") == ("statutory", 1, 1, 0)
    assert report("live") == ("live", 2, 0, 1)
