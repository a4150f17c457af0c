"""Which mark counts, through the worker and the derive SQL; counts beside it (rules 3, 7 and 17)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sinks import reference
from sinks.clickhouse import connect
from sinks.derive import derive, rederive
from tests.reference.conftest import applied, code_map
from tests.streams.messages import NINE, OTHER_URN, Here, at, mark, page, record, register
from tests.streams.model import Model, current
from tests.streams.rig import Rig
from tests.streams.town import LOCAL


def counting(rig: Rig, *messages: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Send messages one batch after the other; (source, raw, canonical) that count, by reference, in the morning."""
    for message in messages:
        rig.done(message)
    return {ref: found for (urn, ref, session), found in rig.current().items() if (urn, session) == (Here.urn, "AM")}


def test_n_never_beats_a_definite_mark_of_another_source_rule_17(working: Rig) -> None:
    found = counting(
        working,
        register(mark("P0", "/"), mark("P1", "N"), mark("P2", "N")),
        page(record("a", "P0", "N"), record("b", "P1", "I"), record("c", "P2", "N"), taken_at=at(60)),
    )
    assert found["P0"] == ("classroom", "/", "/")
    assert found["P1"] == ("mis", "I", "I")
    assert found["P2"] == ("mis", "N", "N")


def test_a_definite_mark_stands_before_one_no_map_knows(working: Rig) -> None:
    found = counting(
        working, register(mark("P0", "/"), mark("P1", "QQ")), page(record("a", "P0", "QQ"), record("b", "P1", "N"))
    )
    assert found == {"P0": ("classroom", "/", "/"), "P1": ("mis", "N", "N")}


def test_the_mis_stands_before_registers_even_when_it_is_older(working: Rig) -> None:
    found = counting(working, page(record("a", "P0", "L")), register(mark("P0", "/"), submitted_at=at(60)))
    assert found["P0"] == ("mis", "L", "L")
    both = working.here("SELECT sources, disagree FROM mark_current FINAL WHERE urn =")
    assert both == [(2, True)]


def test_between_registers_of_two_sources_the_later_stands(working: Rig) -> None:
    found = counting(
        working, register(mark("P0", "/"), submitted_at=at(5)), register(mark("P0", "L"), source="kiosk-room")
    )
    assert found["P0"] == ("classroom", "/", "/")


def test_a_deletion_gives_way_to_the_next_best_record(working: Rig) -> None:
    before = counting(
        working,
        register(mark("P0", "N"), mark("P1", "I")),
        page(record("a", "P0", "L", modified_at=at(4)), record("b", "P0", "/"), record("c", "P1", "/"), taken_at=at(5)),
    )
    assert before["P0"] == ("mis", "/", "/")
    after = counting(working, page(deletions=["b"], taken_at=at(10), complete=False))
    assert after["P0"] == ("mis", "L", "L")
    last = counting(working, page(deletions=["a", "c"], taken_at=at(15), complete=False))
    assert last == {"P0": ("classroom", "N", "N"), "P1": ("classroom", "I", "I")}


def test_a_withdrawal_takes_back_its_own_sources_mark_only_rule_3(working: Rig) -> None:
    found = counting(
        working,
        register(mark("P0", "/"), mark("P1", "/"), mark("P2", "/")),
        page(record("a", "P0", "N"), taken_at=at(1)),
        register(mark("P0", "-"), mark("P1", ""), mark("P2", "/"), submitted_at=at(5)),
    )
    assert found == {"P0": ("mis", "N", "N"), "P2": ("classroom", "/", "/")}
    again = counting(working, register(mark("P1", "L"), submitted_at=at(9), complete=False))
    assert again["P1"] == ("classroom", "L", "L")


def test_counts_that_fall_to_zero_are_written(working: Rig) -> None:
    counting(working, register(*(mark(f"P{i}") for i in range(5)), mark("P5", "I")))
    assert working.counts(Here.urn) == {("AM", "/"): 5, ("AM", "I"): 1}
    counting(
        working, register(*(mark(f"P{i}") for i in range(4)), mark("P4", "-"), mark("P5", "/"), submitted_at=at(1))
    )
    assert working.counts(Here.urn) == {("AM", "/"): 5, ("AM", "I"): 0}
    counting(working, register(*(mark(f"P{i}", "-") for i in range(6)), submitted_at=at(2)))
    assert working.counts(Here.urn) == {("AM", "/"): 0, ("AM", "I"): 0}


def test_a_lesson_mark_changes_no_figure_rule_7(working: Rig) -> None:
    counting(working, register(mark("P0", "/")))
    found = counting(
        working,
        register(mark("P0", "I"), period="P2", submitted_at=at(60)),
        page(record("lesson", "P0", "O", period="P3"), taken_at=at(90)),
    )
    assert found == {"P0": ("classroom", "/", "/")}
    assert working.counts(Here.urn) == {("AM", "/"): 1}
    assert working.here("SELECT count() FROM mark_event WHERE period != '' AND urn =") == [(2,)]


def test_schools_and_sessions_do_not_meet(working: Rig) -> None:
    working.done(
        register(mark("P0")), register(mark("P0", "L"), session="PM"), register(mark("P0", "I"), urn=OTHER_URN)
    )
    found = {key: said for key, said in working.current().items() if key[0] in (Here.urn, OTHER_URN)}
    assert found == {
        (Here.urn, "P0", "AM"): ("classroom", "/", "/"),
        (Here.urn, "P0", "PM"): ("classroom", "L", "L"),
        (OTHER_URN, "P0", "AM"): ("classroom", "I", "I"),
    }


def test_a_map_published_later_changes_what_counts_when_derived_again_rule_2(working: Rig) -> None:
    before = counting(working, register(mark("P0", "9"), mark("P1", "Q"), code_scheme=LOCAL))
    assert before == {"P0": ("classroom", "9", ""), "P1": ("classroom", "Q", "")}
    published = code_map(LOCAL, 2, ("9", "L"), published_at=NINE)
    reference.apply(working.client, [applied("code-map", published)])
    assert rederive(working.client, [LOCAL]) == 1
    after = counting(working)
    assert after == {"P0": ("classroom", "9", "L"), "P1": ("classroom", "Q", "")}
    assert working.counts(Here.urn) == {("AM", "L"): 1, ("AM", ""): 1}
    assert rederive(working.client, [LOCAL]) == 0
    on_arrival = working.here("SELECT DISTINCT canonical_code, map_version FROM mark_event FINAL WHERE urn =")
    assert on_arrival == [("", 1)]


def test_the_derive_that_has_seen_more_wins_whoever_writes_last(working: Rig) -> None:
    """Two derives of the same keys, the one that began earlier writing last."""
    version = "SELECT max(derived_version) FROM mark_current FINAL WHERE urn ="
    counting(working, register(mark("P0", "/")))
    older = working.here(version)
    stale = working.client.query_arrow(f"SELECT * FROM mark_current FINAL WHERE urn = {Here.urn}", use_strings=True)
    counted = working.client.query_arrow(f"SELECT * FROM school_session FINAL WHERE urn = {Here.urn}", use_strings=True)
    assert counting(working, register(mark("P0", "I"), submitted_at=at(1)))["P0"][1] == "I"
    working.client.insert_arrow("mark_current", stale)
    working.client.insert_arrow("school_session", counted)
    assert counting(working)["P0"][1] == "I"
    assert working.counts(Here.urn) == {("AM", "/"): 0, ("AM", "I"): 1}
    assert working.here(version) > older


def test_deriving_twice_changes_nothing(working: Rig) -> None:
    counting(working, register(mark("P0", "/"), mark("P1", "I")), page(record("a", "P0", "N")))
    before, counts = working.current(), working.counts(Here.urn)
    batches = [row[0] for row in working.here("SELECT DISTINCT batch FROM touched WHERE urn =")]
    other = connect(working.settings.clickhouse)
    for _ in range(2):
        derive(other, batches)
    other.close()
    assert (working.current(), working.counts(Here.urn)) == (before, counts)


def test_the_sql_says_what_the_rule_says_in_plain_python(working: Rig) -> None:
    """Three sources and all kinds of codes about every pupil; the model of `model.py` is the judge."""
    kinds = {"classroom": "register", "kiosk-room": "register", "mis": "mis"}
    codes = ["/", "N", "-", "QQ", "I"]
    messages, verdicts = [], []
    said: dict[str, list[tuple[str, str, int]]] = {}
    for number, (one, two, three) in enumerate((a, b, c) for a in codes for b in codes for c in codes):
        ref, day = f"P{number % 30}", NINE.date() + timedelta(days=number // 30)
        said.setdefault(day.isoformat(), []).append((ref, one + "|" + two + "|" + three, number))
    for day_text, rows in said.items():
        day = NINE.date().fromisoformat(day_text)
        for position, source in enumerate(["classroom", "kiosk-room"]):
            marks = [mark(ref, texts.split("|")[position]) for ref, texts, _ in rows]
            messages.append(register(*marks, source=source, session_date=day, submitted_at=at(position)))
        records = [record(f"r{n}", ref, texts.split("|")[2], session_date=day) for ref, texts, n in rows]
        messages.append(page(*records, taken_at=at(-30)))
    fates = working.done(*messages)
    model = Model()
    for offset, (message, found) in enumerate(zip(messages, fates, strict=True)):
        assert {fate.outcome for fate in found} == {"accepted"}
        verdicts += [v for item in model.take(message, offset, 2**50) for v in item]
    expected = current(verdicts, kinds)
    rows = working.client.query(
        "SELECT c.ref, toString(m.session_date), m.source, m.raw_code"
        " FROM mark_current AS m FINAL INNER JOIN crosswalk AS c"
        " ON m.urn = c.urn AND m.pupil_id = c.pupil_id WHERE m.is_mark AND c.scheme = 'mis'"
        f" AND m.urn = {Here.urn}"
    ).result_rows
    assert {(ref, day): (source, raw) for ref, day, source, raw in rows} == {
        (ref, day): (one.source, one.code) for (_, ref, day, _), one in expected.items()
    }
