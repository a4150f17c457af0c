"""What is news, what is an unchanged repeat, what a re-assertion has overtaken: against a plain model (design 6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streams.lab import ARRIVED, Lab
from tests.streams.messages import DAY, at, mark, page, record, register, topic_of
from tests.streams.model import KINDS, Current, Model, Verdict, current, milliseconds

MORNING = ("700001", "P0", DAY.isoformat(), "AM")


def outcomes(items: list[list[list[Verdict]]]) -> list[list[str]]:
    return [[found[0].outcome for found in message] for message in items]


def counts(lab: Lab) -> dict[str, Current]:
    """The mark that counts, by pupil, in the morning of DAY."""
    return {ref: one for (_, ref, _, session), one in current(lab.accepted(), KINDS).items() if session == "AM"}


# ---- by name


def test_a_later_page_older_than_a_suppressed_repeat_does_not_win() -> None:
    """Design 6: '/' at 10:00, '/' at 11:00 suppressed, then a late page says N at 10:30."""
    lab = Lab()
    said = lab.take(
        page(record("r", "P0", "/"), taken_at=at(60)),
        page(record("r", "P0", "/"), taken_at=at(120)),
        page(record("r", "P0", "N"), taken_at=at(90)),
    )
    assert outcomes(said) == [["accepted"], ["unchanged"], ["superseded"]]
    assert counts(lab)["P0"].code == "/"


def test_the_original_that_arrives_after_its_amendment_loses() -> None:
    """Design 6: L at 09:20, then the original N of 09:00 arrives late."""
    lab = Lab()
    said = lab.take(
        register(mark("P0", "L", 20), submitted_at=at(20)),
        register(mark("P0", "N"), submitted_at=at(0)),
        register(mark("P0", "N"), submitted_at=at(0)),
    )
    assert outcomes(said) == [["accepted"], ["accepted"], ["accepted"]]
    assert counts(lab)["P0"] == Current("classroom", "L", 20)


def test_a_b_a_keeps_its_third_event() -> None:
    lab = Lab()
    said = lab.take(*(register(mark("P0", code), submitted_at=at(i)) for i, code in enumerate(["/", "N", "/"])))
    assert outcomes(said) == [["accepted"]] * 3
    assert counts(lab)["P0"].code == "/"


def test_ties_at_one_millisecond_go_to_the_later_offset() -> None:
    lab = Lab()
    lab.take(register(mark("P0", "/")), register(mark("P0", "N")), register(mark("P1", "N")), register(mark("P1", "/")))
    assert (counts(lab)["P0"].code, counts(lab)["P1"].code) == ("N", "/")


def test_two_records_of_one_millisecond_are_not_told_apart_by_where_a_repeat_of_one_lay() -> None:
    """`r0` is said again, alike, behind `r2`: only unsuppressed it has the later offset of the two."""
    sent = [
        page(record("r0", "P0", "N"), record("r2", "P0", "/"), complete=False),
        page(record("r0", "P0", "N"), record("r0", "P0", "N"), record("r2", "P0", "/"), record("r2", "P0", "N")),
    ]
    with_it, without = Lab(), Lab(suppress=False)
    said = with_it.take(*sent)
    assert outcomes(said)[1] == ["unchanged", "unchanged", "contradicts_itself", "contradicts_itself"]
    assert outcomes(without.take(*sent))[1][:1] == ["accepted"]
    assert counts(with_it) == counts(without)


def test_an_exact_repeat_is_unchanged_wherever_it_comes() -> None:
    lab = Lab()
    first, second = register(mark("P0")), register(mark("P0"), submitted_at=at(5))
    said = lab.take(first, first, second, first, register(mark("P0"), complete=False))
    assert outcomes(said) == [["accepted"], ["unchanged"], ["unchanged"], ["unchanged"], ["unchanged"]]


def test_the_same_content_at_a_newer_time_from_a_part_of_a_register_is_written() -> None:
    lab = Lab()
    said = lab.take(register(mark("P0")), register(mark("P0"), complete=False, submitted_at=at(5)))
    assert outcomes(said) == [["accepted"], ["accepted"]]


def test_the_same_content_at_a_newer_time_is_a_repeat_in_a_page_of_some_days_and_written_in_one_without() -> None:
    """What changed in some days since an instant says how its records stand; what a cursor brings is news."""
    for window, outcome in (({}, "unchanged"), ({"window_from": None, "window_to": None}, "accepted")):
        lab = Lab()
        first = page(record("r", "P0"), complete=False, **window)
        again = page(record("r", "P0"), complete=False, taken_at=at(5), **window)
        assert outcomes(lab.take(first, again)) == [["accepted"], [outcome]]


def test_the_same_pupil_twice_in_one_register() -> None:
    lab = Lab()
    equal = lab.take(register(mark("P0"), mark("P1"), mark("P0")))
    different = lab.take(register(mark("P2"), mark("P3"), mark("P2", "N"), mark("P2"), submitted_at=at(1)))
    assert outcomes(equal) == [["accepted", "accepted", "unchanged"]]
    assert outcomes(different) == [["contradicts_itself", "accepted", "contradicts_itself", "contradicts_itself"]]
    assert set(counts(lab)) == {"P0", "P1", "P3"}


def test_minutes_late_and_amendments_are_part_of_what_a_mark_says() -> None:
    amended = {
        "item": 0, "original_code": "N", "reason_code": "parent", "staff_ref": "S1", "staff_position": "office",
        "evidence": "parent_message", "amended_at": at(30),
    }  # fmt: skip
    lab = Lab()
    said = lab.take(
        register(mark("P0", "L", 5)),
        register(mark("P0", "L", 6), submitted_at=at(1)),
        register(mark("P0", "L", 6), submitted_at=at(2), amendments=[amended]),
        register(mark("P0", "L", 6), submitted_at=at(3), amendments=[amended]),
        register(mark("P0", "L", 6), submitted_at=at(4), amendments=[{**amended, "evidence": "none"}]),
    )
    assert outcomes(said) == [["accepted"], ["accepted"], ["accepted"], ["unchanged"], ["accepted"]]
    assert lab.tables.events[2]["amend_evidence"] == "parent_message"


def test_a_clock_that_is_ahead_does_not_shadow_later_truth_rule_6() -> None:
    lab = Lab()
    lab.take(register(mark("P0", "/"), submitted_at=at(60 * 24 * 365)), arrived=at(0))
    lab.take(register(mark("P0", "N"), submitted_at=at(6)), arrived=at(6))
    assert counts(lab)["P0"].code == "N"
    assert lab.tables.events[0]["asserted_at"] == at(5)


def test_a_repeat_of_one_pupil_says_nothing_of_another_after_a_restart() -> None:
    """Two registers of a school and session are of one source: only the pupil tells their assertions apart."""
    lab = Lab()
    lab.take(register(mark("P0")), register(mark("P1"), group_id="7B"), register(mark("P0"), submitted_at=at(60)))
    lab.restart()
    said = lab.take(register(mark("P1", "N"), group_id="7B", submitted_at=at(30)))
    assert outcomes(said) == [["accepted"]]
    assert counts(lab)["P1"].code == "N"


def test_a_repeat_at_its_own_modified_time_does_not_count_as_said_at_the_pages_time() -> None:
    lab = Lab()
    lab.take(page(record("r", "P0", "/", modified_at=at(-10)), taken_at=at(0)))
    lab.take(page(record("r", "P0", "/", modified_at=at(-10)), taken_at=at(60)))
    lab.restart()
    said = lab.take(page(record("r", "P0", "N", modified_at=at(55)), taken_at=at(65)))
    assert outcomes(said) == [["accepted"]]
    assert counts(lab)["P0"].code == "N"


def test_what_a_repeat_has_overtaken_is_the_same_after_a_restart() -> None:
    for forget in (False, True):
        lab = Lab()
        lab.take(
            register(mark("P0"), submitted_at=at(60)), register(mark("P0", "N"), mark("P0", "N"), submitted_at=at(5))
        )
        if forget:
            lab.restart()
        assert outcomes(lab.take(register(mark("P0", "L"), submitted_at=at(0)))) == [["superseded"]]


def test_a_deletion_older_than_a_repeat_deletes_nothing_after_a_restart_either() -> None:
    """A deletion does not say of which day it is: nothing was remembered of the day when it was all that came."""
    for forget in (False, True):
        lab = Lab()
        lab.take(page(record("r", "P0")), page(record("r", "P0"), taken_at=at(60)))
        if forget:
            lab.restart()
        assert outcomes(lab.take(page(deletions=["r"], taken_at=at(30)))) == [["superseded"]]
        assert counts(lab)["P0"].code == "/"


def test_a_deletion_of_a_record_that_was_only_ever_refused_is_of_an_unknown_record() -> None:
    for together in (True, False):
        lab = Lab()
        refused = page(record("r", "P0", "/"), record("r", "P0", "N"))
        deletion = page(deletions=["r"], taken_at=at(5))
        said = lab.take(refused, deletion) if together else [*lab.take(refused), *lab.take(deletion)]
        assert outcomes(said) == [["contradicts_itself"] * 2, ["unknown_record"]]


# ---- properties

#: Few of everything: ties, repeats and contradictions are common. The last instants lie beyond what is believed.
instants = st.sampled_from(
    [at(0), at(0, 1), at(1), at(2), at(60), ARRIVED + timedelta(seconds=300), ARRIVED + timedelta(hours=5)]
)
codes = st.sampled_from(["/", "N", "L", "-", "", "ZZ"])
register_marks = st.builds(mark, st.sampled_from(["P0", "P1", "P2"]), codes, st.sampled_from([None, None, 5]))
registers = st.builds(
    register, submitted_at=instants, marks=st.lists(register_marks, max_size=4), complete=st.booleans(),
    source=st.sampled_from(["classroom", "kiosk-room"]), period=st.sampled_from([None, None, None, "P1"]),
)  # fmt: skip


@st.composite
def pages(draw: st.DrawFn) -> dict[str, Any]:
    """A record is of one pupil for ever; two records may be of one pupil."""
    of = {"r0": "P0", "r1": "P1", "r2": "P0"}
    ids = draw(st.lists(st.sampled_from(sorted(of)), max_size=4))
    modified = st.none() | instants
    whole = draw(st.booleans())
    window = {} if whole or draw(st.booleans()) else {"window_from": None, "window_to": None}
    return page(
        *(record(one, of[one], draw(codes), modified_at=draw(modified)) for one in ids),
        taken_at=draw(instants), complete=whole, **window,
        deletions=draw(st.lists(st.sampled_from(["r0", "r1", "r9"]), max_size=2)),
    )  # fmt: skip


messages = st.lists(st.one_of(registers, pages()), min_size=1, max_size=8)
splits = st.lists(st.integers(1, 4), min_size=8, max_size=8)


def in_batches(sent: list[dict[str, Any]], sizes: list[int]) -> list[list[dict[str, Any]]]:
    out, start = [], 0
    for size in sizes:
        out.append(sent[start : start + size])
        start += size
    return [batch for batch in out if batch]


def by_model(sent: list[dict[str, Any]]) -> list[list[list[Verdict]]]:
    model, offsets = Model(), {"attendance.register.v1": 0, "attendance.mis.v1": 0}
    found = []
    for one in sent:
        found.append(model.take(one, offsets[topic_of(one)], milliseconds(ARRIVED)))
        offsets[topic_of(one)] += 1
    return found


def plain(items: list[list[list[Verdict]]]) -> list[list[list[Any]]]:
    """Of a mark that is written all there is to say, of the others the outcome."""
    return [
        [
            sorted({v if v.outcome in ("accepted", "superseded") else v.outcome for v in found}, key=str)
            for found in message
        ]
        for message in items
    ]


@settings(max_examples=50, deadline=None)
@given(messages, splits)
def test_every_mark_has_the_models_outcome_however_it_is_batched(sent: list[dict[str, Any]], sizes: list[int]) -> None:
    lab = Lab()
    said = [items for batch in in_batches(sent, sizes) for items in lab.take(*batch)]
    assert plain(said) == plain(by_model(sent))


@settings(max_examples=30, deadline=None)
@given(messages, splits)
def test_a_worker_that_forgot_everything_judges_the_same(sent: list[dict[str, Any]], sizes: list[int]) -> None:
    """What the memory is loaded from (history, assertions and receipts) says as much as the memory did."""
    lab, said = Lab(), []
    for batch in in_batches(sent, sizes):
        lab.restart()
        said += lab.take(*batch)
    assert plain(said) == plain(by_model(sent))


@settings(max_examples=60, deadline=None)
@given(messages, splits)
def test_without_suppression_the_same_marks_count(sent: list[dict[str, Any]], sizes: list[int]) -> None:
    with_it, without = Lab(), Lab(suppress=False)
    for batch in in_batches(sent, sizes):
        with_it.take(*batch)
        without.take(*batch)
    assert counts(with_it) == counts(without)


def of_two_sources() -> list[dict[str, Any]]:
    """A register is sent again unchanged; then comes what another source had said between."""
    first, again = (register(mark("P0", "/"), submitted_at=at(time), source="classroom") for time in (0, 60))
    return [first, again, register(mark("P0", "L"), submitted_at=at(2), source="kiosk-room")]


def of_two_records() -> list[dict[str, Any]]:
    """The same of two records of one source, in pages that carry the time."""
    first, again = (page(record("r0", "P0", "L"), taken_at=at(time)) for time in (0, 70))
    return [first, again, page(record("r2", "P0", "/"), taken_at=at(65))]


@pytest.mark.parametrize("said", [of_two_sources, of_two_records], ids=lambda one: one.__name__)
def test_a_repeat_is_news_where_another_spoke_between(said: Callable[[], list[dict[str, Any]]]) -> None:
    """Between two who disagree the latest stands, and a repeat that is not written makes its source the latest."""
    with_it, without = Lab(), Lab(suppress=False)
    with_it.take(*said())
    without.take(*said())
    assert counts(with_it) == counts(without)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_when_versions_differ_any_order_of_arrival_gives_the_same(data: st.DataObject) -> None:
    """Rule 6: one total order, whatever the order of arrival; clocks skewed, ties of different pupils allowed."""
    times = data.draw(st.lists(st.integers(0, 50), min_size=2, max_size=7, unique=True))
    sent = []
    for time in times:
        of_register = data.draw(st.booleans())
        said = [(f"P{i}", data.draw(codes)) for i in range(2)]
        complete = data.draw(st.booleans())
        if of_register:
            source = data.draw(st.sampled_from(["classroom", "kiosk-room"]))
            marks = (mark(*one) for one in said)
            sent.append(register(*marks, submitted_at=at(time), complete=complete, source=source))
        else:
            sent.append(page(*(record(f"r{one[0]}", *one) for one in said), taken_at=at(time), complete=complete))
    one_order, another = Lab(), Lab()
    one_order.take(*sent)
    for batch in data.draw(st.permutations(sent)):
        another.take(batch)
    assert counts(one_order) == counts(another)
