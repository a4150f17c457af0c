"""A figure down to its marks, a mark down to its deliveries: both add up, and every step of a mark's story is told."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.domain.identity import new_pupil_id
from rollcall.domain.pupil_aliases import merge
from rollcall.domain.report_columns import COLUMNS, column, of_code
from rollcall.errors import UsageError
from sinks.explaining import Cell, Explained, explain
from sinks.mark_stories import Story, story
from sinks.reports import day_report
from streams.repeated import repeats
from tests.streams.messages import DAY, Here, at, evidence, mark, page, record, register
from tests.streams.rig import Rig
from tests.streams.test_aliases import published


def explained(rig: Rig, name: str = "possible", **of: Any) -> Explained:
    """A cell of DAY, of the test's school unless said otherwise."""
    whom = of if {"la_code", "phase", "trust_id", "year_group"} & set(of) else {"urn": Here.urn, **of}
    return explain(rig.client, Cell(DAY, column(name), **{"headline": False, **whom}), limit=100)


def chosen(found: Explained) -> dict[int, tuple[str, str, str]]:
    """pupil_id -> (code, source, rule) of the marks listed."""
    return {one.pupil_id: (one.code, one.source, one.rule) for one in found.marks}


def pupil(ref: str) -> int:
    return new_pupil_id(Here.urn, "mis", ref)


def event_of(rig: Rig, ref: str, code: str, source: str = "classroom") -> int:
    """The first delivery of a pupil's mark with a raw code."""
    return int(
        rig.client.query(
            "SELECT event_id FROM mark_event FINAL WHERE urn = {u:UInt32} AND pupil_id = {p:UInt64}"
            " AND raw_code = {c:String} AND source = {s:String} AND NOT deleted ORDER BY ingested_at LIMIT 1",
            parameters={"u": Here.urn, "p": pupil(ref), "c": code, "s": source},
        ).first_row[0]
    )


def told(found: Story) -> list[tuple[str, str, str, str]]:
    """(source, code, what it did, rule) of each delivery, in order."""
    return [(one.delivery.source, one.delivery.raw_code, one.did, one.rule) for one in found.steps]


def test_every_column_of_a_school_is_what_its_marks_add_up_to(working: Rig) -> None:
    working.done(
        register(
            *(mark(f"P{n}", code) for n, code in enumerate(["/", "L", "U", "I", "N", "O", "X", "Q", "QQ", "B", "-"]))
        ),
        register(mark("P0", "\\"), mark("P1", "N"), session="PM"),
        page(record("a", "P3", "/"), record("b", "P4", "C")),
    )
    for name in ("overall_absence", "late_sessions", _illness()):
        found = explained(working, name, headline=True)
        assert (found.equal, len(found.marks)) == (True, found.figure), name
    line = {line.key: line for line in day_report(working.client, DAY, "school", headline=False).lines}[str(Here.urn)]
    for name in ("possible", "attendance", "absence", "authorised", "unauthorised", "late", "unknown"):
        found = explained(working, name)
        assert (found.equal, len(found.marks)) == (True, found.figure), name
        assert found.figure == getattr(line, name) > 0, name
    assert explained(working, "marks").figure == 12
    assert explained(working, session="PM").figure == 2
    cell = Cell(DAY, of_code("unmapped"), urn=Here.urn, headline=False)
    assert [one.raw_code for one in explain(working.client, cell).marks] == ["QQ"]


@pytest.mark.parametrize(
    ("by", "filter_"), [("la", "la_code"), ("phase", "phase"), ("trust", "trust_id"), ("year-group", "year_group")]
)
def test_a_cell_of_an_area_is_what_the_report_says_and_what_its_schools_add_up_to(
    working: Rig, by: Any, filter_: str
) -> None:
    working.done(register(mark("P0", "/"), mark("P1", "I"), mark("P2", "N")))
    report = day_report(working.client, DAY, by)
    schools = set()
    for line in report.lines:
        found = explained(working, "absence", headline=True, **{filter_: line.key})
        assert (found.figure, found.equal) == (line.absence, True)
        assert (found.schools_reported, found.schools_expected) == (line.schools, line.schools_expected)
        schools |= {one.urn for one in found.schools}
    assert Here.urn in schools


def test_of_each_mark_the_rule_that_chose_it_and_what_lost(working: Rig) -> None:
    working.done(
        register(mark("P0", "N"), mark("P1", "I"), mark("P2", "/"), mark("P3", "/"), mark("P4", "QQ")),
        page(*(record(f"r{n}", f"P{n}", code) for n, code in enumerate(["I", "L", "/"])), taken_at=at(1)),
        register(mark("P3", "L"), source="second-room", submitted_at=at(5)),
    )
    found = explained(working, "marks")
    assert chosen(found) == {
        pupil("P0"): ("I", "mis", "definite_code"),
        pupil("P1"): ("L", "mis", "mis_before_register"),
        pupil("P2"): ("/", "mis", "sources_agree"),
        pupil("P3"): ("L", "second-room", "latest"),
        pupil("P4"): ("", "classroom", "only_source"),
    }
    by_pupil = {one.pupil_id: one for one in found.marks}
    (loser,) = by_pupil[pupil("P1")].lost
    assert (loser.source, loser.code, loser.event_id) == ("classroom", "I", event_of(working, "P1", "I"))
    unmapped = by_pupil[pupil("P4")].delivery
    assert unmapped is not None
    assert (unmapped.raw_code, unmapped.exceptions, unmapped.map_version) == ("QQ", ["unmapped_code"], 1)


def test_the_live_basis_says_which_kiosk_stands_for_what(working: Rig) -> None:
    working.done(register(mark("P0", "N"), mark("P2", "I")), *(evidence(f"P{n}", "L", at(9)) for n in range(3)))
    found = explained(working, "marks", basis="live")
    assert found.equal
    assert chosen(found) == {
        pupil("P0"): ("L", "front-desk", "kiosk_for_n"),
        pupil("P1"): ("L", "front-desk", "kiosk_for_missing"),
        pupil("P2"): ("I", "classroom", "only_source"),
    }
    assert set(chosen(explained(working, "marks"))) == {pupil("P0"), pupil("P2")}
    seen = event_of(working, "P0", "L", "front-desk")
    assert told(story(working.client, seen)) == [
        ("classroom", "N", "counts", "only_source"),
        ("front-desk", "L", "counts_live", "kiosk_for_n"),
    ]
    of_ill = story(working.client, event_of(working, "P2", "L", "front-desk"), DAY)
    assert [did for _, _, did, _ in told(of_ill)] == ["counts", "evidence"]


def test_the_story_of_an_amended_a_contradicted_and_a_deleted_mark(working: Rig) -> None:
    change = {
        "item": 0, "original_code": "N", "reason_code": "parent", "staff_ref": "S1", "staff_position": "office",
        "evidence": "parent_message", "amended_at": at(60),
    }  # fmt: skip
    working.done(register(mark("P0", "N")))
    working.done(register(mark("P0", "N"), submitted_at=at(30)))
    working.done(register(mark("P0", "I"), complete=False, amendments=[change], submitted_at=at(60)))
    working.done(page(record("a", "P0", "/"), taken_at=at(80)))
    found = story(working.client, event_of(working, "P0", "N"))
    assert told(found) == [
        ("classroom", "N", "replaced", ""),
        ("classroom", "I", "lost", "mis_before_register"),
        ("mis", "/", "counts", "mis_before_register"),
    ]
    assert found.steps[0].by == found.steps[1].delivery.event_id
    assert found.steps[1].by == found.steps[2].delivery.event_id == found.counts[0].event_id
    amendment = found.steps[1].delivery.as_json()["amendment"]
    assert (amendment["from"], amendment["reason"], amendment["by"]) == ("N", "parent", "S1")
    said_again = repeats(working.client, [one.delivery for one in found.steps])
    assert [(one.source, one.asserted_at) for one in said_again] == [("classroom", at(30))]

    working.done(page(deletions=["a"], taken_at=at(90), complete=False))
    after = story(working.client, event_of(working, "P0", "N"))
    assert told(after)[1:] == [
        ("classroom", "I", "counts", "only_source"),
        ("mis", "/", "replaced", ""),
        ("mis", "", "deletes", ""),
    ]
    working.done(register(mark("P0", "-"), submitted_at=at(100), complete=False))
    nothing = story(working.client, event_of(working, "P0", "N"))
    assert told(nothing)[-1][2] == "withdraws"
    assert [one.rule for one in nothing.counts] == ["nothing_stands"]


def test_a_child_under_two_numbers_has_one_story(working: Rig) -> None:
    working.done(register(mark("P0", "/"), mark("P1", "N")))
    one, two = pupil("P0"), pupil("P1")
    published(working, one, merge(two))
    found = explained(working, "marks")
    assert (found.equal, [(each.pupil_id, each.code) for each in found.marks]) == (True, [(two, "/")])
    (standing,) = found.marks
    assert standing.delivery is not None
    assert (standing.delivery.pupil_id, standing.as_json()["counts_for_another_by_alias"]) == (one, True)
    for ref, code in (("P0", "/"), ("P1", "N")):
        whole = story(working.client, event_of(working, ref, code))
        assert set(whole.pupils) == {one, two}
        assert {did for _, _, did, _ in told(whole)} == {"counts", "gave_way"}


def test_a_lesson_has_a_story_and_counts_in_no_figure(working: Rig) -> None:
    working.done(register(mark("P0", "/")), register(mark("P0", "N"), period="P1"))
    working.done(register(mark("P0", "L"), period="P1", submitted_at=at(9)))
    assert explained(working, "marks").figure == 1
    found = story(working.client, event_of(working, "P0", "N"))
    assert (found.period, found.counts) == ("P1", ())
    assert [did for _, _, did, _ in told(found)] == ["replaced", "lesson"]


def test_what_arrived_too_late_is_told_as_superseded(working: Rig) -> None:
    working.done(register(mark("P0", "/"), submitted_at=at(10)))
    working.done(register(mark("P0", "/"), submitted_at=at(30)))
    working.done(register(mark("P0", "N"), submitted_at=at(20)))
    assert [did for _, _, did, _ in told(story(working.client, event_of(working, "P0", "N")))] == [
        "counts",
        "superseded",
    ]


@pytest.mark.parametrize(
    "asked",
    [lambda: column("missing_marks"), lambda: of_code("QQ")],
)  # fmt: skip
def test_what_there_is_none_of_is_refused_by_name(asked: Any) -> None:
    with pytest.raises(UsageError, match=r"missing_marks|QQ"):
        asked()


def test_a_published_column_is_of_the_headline_in_the_statutory_basis(working: Rig) -> None:
    for facts in ({"headline": False}, {"basis": "live"}):
        with pytest.raises(UsageError, match="reason_i"):
            explain(working.client, Cell(DAY, column(_illness()), urn=Here.urn, **facts))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no delivery 1"):
        story(working.client, 1)


def _illness() -> str:
    return next(name for name in COLUMNS if name.startswith("reason_i_"))
