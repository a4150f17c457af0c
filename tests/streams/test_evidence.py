"""Evidence of kiosks through the worker: in the history and among the assertions, in no statutory figure (rule 17)."""

from __future__ import annotations

from typing import Any

import pytest

from sinks.derive import derive, rederive
from sinks.verify import repair, verify
from tests.streams.messages import EVIDENCE, Here, at, evidence, mark, page, record, register
from tests.streams.rig import Rig


def stands(rig: Rig) -> Any:
    """Every column of the marks that count and of the counts, but for when they were derived."""
    marks = rig.here("SELECT * EXCEPT derived_version FROM mark_current FINAL WHERE urn =")
    return sorted(map(str, marks)), rig.counts(Here.urn)


def test_evidence_stands_in_the_history_and_among_the_assertions(working: Rig) -> None:
    said = evidence("P0", "L", submission_id="e-1")
    said["marks"][0]["minutes_late"] = 20
    assert [fate.outcome for fate in working.done(said)[0]] == ["accepted"]
    for table in ("mark_event", "mark_assertion"):
        found = working.here(
            f"SELECT source, toString(source_kind), record_id, raw_code, minutes_late FROM {table} FINAL WHERE urn ="
        )
        assert found == [("front-desk", "kiosk", "e-1", "L", 20)]
    assert working.here("SELECT toString(source_kind), accepted FROM register_receipt FINAL WHERE urn =") == [
        ("kiosk", 1)
    ]


def test_evidence_where_the_register_says_nothing_makes_no_mark(working: Rig) -> None:
    working.done(evidence("P0", "/"), evidence("P1", "U"))
    assert stands(working) == ([], {})
    assert working.here("SELECT count() FROM touched WHERE urn =") == [(0,)]


@pytest.mark.parametrize("first", ["kiosk", "register"])
def test_evidence_changes_nothing_of_what_registers_and_the_mis_say(working: Rig, first: str) -> None:
    """N stays N, unmapped stays unmapped, missing stays missing, whichever came first and however late."""
    said = [
        register(mark("P0", "N"), mark("P1", "QQ"), mark("P2", "/"), mark("P3", "-"), submitted_at=at(1)),
        page(record("a", "P0", "N"), record("b", "P4", "I")),
    ]
    seen = [evidence(f"P{i}", code, at(90)) for i, code in enumerate(["/", "L", "U", "/", "/", "L"])]
    for messages in (seen, said) if first == "kiosk" else (said, seen):
        working.done(*messages)
    found = {ref: (source, raw) for (urn, ref, _), (source, raw, _) in working.current().items() if urn == Here.urn}
    assert found == {"P0": ("mis", "N"), "P1": ("classroom", "QQ"), "P2": ("classroom", "/"), "P4": ("mis", "I")}
    assert working.counts(Here.urn) == {("AM", "N"): 1, ("AM", ""): 1, ("AM", "/"): 1, ("AM", "I"): 1}
    agree = working.here("SELECT max(sources), max(disagree) FROM mark_current FINAL WHERE is_mark AND urn =")
    assert agree == [(2, False)]


def test_a_register_after_evidence_has_seen_no_more_than_without(working: Rig) -> None:
    """derived_version is a sum of witnesses: evidence is none, or a rebuild without it would lose to the stored row."""
    working.done(evidence("P0", "/"))
    working.done(register(mark("P0", "N"), submitted_at=at(1)))
    ((ingested_ms, version),) = working.here(
        "SELECT toUnixTimestamp64Milli(a.ingested_at) - 1767225600000, bitAnd(c.derived_version, 18446744073709551615)"
        " FROM mark_current AS c FINAL INNER JOIN mark_assertion AS a FINAL"
        " ON a.urn = c.urn AND a.pupil_id = c.pupil_id WHERE a.source_kind = 'register' AND c.urn ="
    )
    assert version == ingested_ms


def test_each_sign_in_stands_for_itself_and_a_repeat_is_unchanged(working: Rig) -> None:
    early, again = evidence("P0", "/", at(-20), submission_id="e-1"), evidence("P0", "U", at(60), submission_id="e-2")
    outcomes = [[fate.outcome for fate in found] for found in working.done(early, again, early, again)]
    assert outcomes == [["accepted"], ["accepted"], ["unchanged"], ["unchanged"]]
    assert working.here("SELECT count() FROM mark_assertion FINAL WHERE urn =") == [(2,)]


def test_deriving_again_verifying_and_repairing_leave_evidence_out(working: Rig) -> None:
    working.done(register(mark("P0", "N"), mark("P1", "/")), evidence("P0", "/", at(5)), evidence("P2", "/", at(5)))
    before = stands(working)
    batches = [row[0] for row in working.here("SELECT DISTINCT batch FROM mark_event WHERE urn =")]
    derive(working.client, batches)
    rederive(working.client)
    assert stands(working) == before
    working.client.command(f"DELETE FROM mark_assertion WHERE source_kind = 'kiosk' AND urn = {Here.urn}")
    lost = [one for one in verify(working.client, tries=1).differences if one.urn == Here.urn]
    assert {(one.table, one.kind, one.rows) for one in lost} == {("mark_assertion", "missing", 2)}
    repair(working.client, lost)
    assert verify(working.client).equal
    assert stands(working) == before


def test_evidence_of_an_unknown_pupil_is_refused_with_its_bytes(working: Rig) -> None:
    (fates,) = working.done(evidence("NOBODY", "/"))
    assert [fate.outcome for fate in fates] == ["unknown_pupil"]
    found = working.here("SELECT topic FROM quarantine FINAL WHERE urn =")
    assert found == [(EVIDENCE,)]


def test_a_worker_that_dies_with_evidence_in_hand_recovers_it(rig: Rig) -> None:
    """The history is written, the assertions perhaps not: recovery writes both again and touches nothing for it."""
    place, other = rig.send(evidence("P0", "/"), register(mark("P0", "N")))
    rig.dies_at("history.written")
    with rig.worker():
        rig.settle(place, other)
    rig.check()
    assert rig.current()[Here.urn, "P0", "AM"] == ("classroom", "N", "N")
    assert rig.here("SELECT count() FROM mark_assertion FINAL WHERE source_kind = 'kiosk' AND urn =") == [(1,)]
