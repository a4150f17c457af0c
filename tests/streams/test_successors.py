"""Rule 12: marks belong to the URN open on the session date. What another tells of it stands, and adds nothing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest

from sinks import reference
from sinks.derive import derive_lives
from sinks.verify import verify
from tests.reference.conftest import applied, calendar, pupil, roster, school
from tests.streams.messages import at, evidence, mark, page, record, register
from tests.streams.rig import Fate, Rig

OLD, NEW = 730_001, 730_002
#: Monday to Thursday of one week; the school becomes an academy on the Wednesday.
DAYS = [date(2025, 9, 8), date(2025, 9, 9), date(2025, 9, 10), date(2025, 9, 11)]
PUPILS = ("P0", "P1")
NOT_OPEN = frozenset({"school_not_open"})


def facts(urn: int, number: int = 0, **told: Any) -> reference.Applied:
    """A later version of what is known of a school."""
    return applied("school", school(urn, taken_at=datetime(2025, 9, 20, number, tzinfo=UTC), **told))


def convert(rig: Rig) -> None:
    """OLD closes on Tuesday, NEW opens on Wednesday with the same pupils, recognised by their UPNs."""
    link = {"urn": NEW, "link_type": "Successor", "linked_on": DAYS[2]}
    known = [
        facts(OLD, closed_on=DAYS[1], links=[link]),
        facts(NEW, opened_on=DAYS[2], valid_from=DAYS[2], name="An academy"),
    ]
    for urn in (OLD, NEW):
        known += [
            applied("roster", roster(urn, *(pupil(f"mis:{ref}", f"upn:k1:{ref}") for ref in PUPILS))),
            applied("calendar", calendar(urn)),
        ]
    reference.apply(rig.client, known, {})


def records(*days: date) -> list[dict[str, Any]]:
    """A record of each pupil on each day."""
    return [record(f"{day}{ref}", ref, session_date=day) for day in days for ref in PUPILS]


def week(urn: int, *days: date, **more: Any) -> dict[str, Any]:
    """A whole pull of one week."""
    return page(
        *records(*days), urn=urn, window_from=DAYS[0], window_to=DAYS[3], taken_at=at(60 * 34), source="wonde", **more
    )


@pytest.mark.parametrize("suppressed", [True, False])
def test_a_conversion_in_mid_term_is_one_history_and_counts_nothing_twice(rig: Rig, *, suppressed: bool) -> None:
    convert(rig)
    with rig.worker(rig.settings_with(suppression=suppressed)):
        old = [
            register(mark("P0"), mark("P1", "I"), urn=OLD, session_date=day, submitted_at=at(60 * 30))
            for day in DAYS[:2]
        ]
        assert rig.done(*old) == [[Fate("accepted")] * 2] * 2
        replayed, gone_on = rig.done(week(NEW, *DAYS), week(OLD, DAYS[2]))
        assert replayed == [Fate("accepted", NOT_OPEN)] * 4 + [Fate("accepted")] * 4
        assert gone_on == [Fate("accepted", NOT_OPEN)] * 2
        repeated = rig.done(week(NEW, *DAYS))[0]
        assert repeated == ([Fate("unchanged")] * 8 if suppressed else replayed)
        rig.done(evidence("P0", "L", at(10), urn=OLD, session_date=DAYS[2]))
    days = rig.client.query(
        "SELECT session_date, urns, marks, attendance FROM lineage_days WHERE lineage_urn = 730002"
        " ORDER BY session_date"
    ).result_rows
    assert days == [(DAYS[0], [OLD], 2, 1), (DAYS[1], [OLD], 2, 1), (DAYS[2], [NEW], 2, 2), (DAYS[3], [NEW], 2, 2)]
    by_pupil = rig.client.query(
        "SELECT pupil_id, groupArray((session_date, urn)) FROM"
        " (SELECT * FROM marks_by_lineage WHERE lineage_urn = 730002 ORDER BY session_date) GROUP BY pupil_id"
    ).result_rows
    assert [history for _, history in by_pupil] == [list(zip(DAYS, [OLD, OLD, NEW, NEW], strict=True))] * 2
    live = rig.client.query("SELECT urn, count() FROM marks_live GROUP BY urn ORDER BY urn").result_rows
    assert live == [(OLD, 4), (NEW, 4)]
    rig.check()


def test_no_register_is_missed_of_a_school_that_was_not_there(rig: Rig) -> None:
    convert(rig)
    expected = rig.client.query(
        "SELECT urn, session_date FROM sessions_expected WHERE session_date BETWEEN '2025-09-08' AND '2025-09-11'"
        " AND session = 'AM' AND urn IN (730001, 730002) ORDER BY urn, session_date"
    ).result_rows
    assert expected == [*((OLD, day) for day in DAYS[:2]), *((NEW, day) for day in DAYS[2:])]
    missing = rig.client.query("SELECT DISTINCT urn, session_date FROM marks_missing WHERE urn = 730001").result_rows
    assert max(day for _, day in missing) == DAYS[1]


@pytest.mark.parametrize("failpoint", ["history.written", "derive.before"])
def test_a_worker_that_dies_among_marks_of_another_urn_is_finished_by_the_next(rig: Rig, failpoint: str) -> None:
    convert(rig)
    sent = rig.send(register(mark("P0"), urn=OLD, session_date=DAYS[0]), week(NEW, *DAYS))
    rig.dies_at(failpoint)
    with rig.worker():
        rig.settle(*sent)
        assert rig.done(week(NEW, *DAYS)) == [[Fate("unchanged")] * 8]
    assert standing(rig) == {(OLD, DAYS[0]): 1, (NEW, DAYS[2]): 2, (NEW, DAYS[3]): 2}
    rig.check()


def standing(rig: Rig) -> dict[tuple[int, date], int]:
    """Marks that count, by school and date, in the marks and in the counts alike."""
    marks = Counter(rig.client.query("SELECT urn, session_date FROM marks_current").result_rows)
    counts = rig.client.query(
        "SELECT urn, session_date, sum(marks) FROM session_counts GROUP BY ALL HAVING sum(marks) > 0"
    ).result_rows
    assert {(urn, day): number for urn, day, number in counts} == marks
    return dict(marks)


def test_days_that_become_known_later_move_the_figures_and_a_correction_moves_them_back(rig: Rig) -> None:
    convert(rig)
    reference.apply(rig.client, [facts(OLD, 1), facts(NEW, 1)], {})
    with rig.worker():
        rig.done(week(OLD, *DAYS[:3]), week(NEW, *DAYS))
    everything = {**{(OLD, day): 2 for day in DAYS[:3]}, **{(NEW, day): 2 for day in DAYS}}
    assert standing(rig) == everything
    converted = {**{(OLD, day): 2 for day in DAYS[:2]}, **{(NEW, day): 2 for day in DAYS[2:]}}
    for number in (2, 4):
        closing = [facts(OLD, number, closed_on=DAYS[1]), facts(NEW, number, opened_on=DAYS[2])]
        reference.apply(rig.client, closing, {})
        assert not verify(rig.client, tries=1).equal, "what is known has moved on, the figures have not"
        assert derive_lives(rig.client, [OLD, NEW]) == 3
        assert standing(rig) == converted
        rig.check()
        assert derive_lives(rig.client) == 0
        reference.apply(rig.client, [facts(OLD, number + 1), facts(NEW, number + 1)], {})
        assert derive_lives(rig.client) == 3
        assert standing(rig) == everything
        rig.check()


def test_a_line_is_followed_over_a_merger_and_ends_at_a_split(rig: Rig) -> None:
    def linked(urn: int, *links: tuple[int, str]) -> reference.Applied:
        told = [{"urn": other, "link_type": kind, "linked_on": DAYS[0]} for other, kind in links]
        return facts(urn, links=told)

    reference.apply(
        rig.client,
        [
            linked(740_001, (740_003, "Successor - merged")),
            linked(740_002, (740_003, "Successor - merged")),
            linked(740_003, (740_001, "Predecessor - merged"), (740_004, "Successor")),
            linked(740_004, (740_005, "Successor - Split School"), (740_006, "Successor - Split School")),
            linked(740_005), linked(740_006),
        ],
        {},
    )  # fmt: skip
    lines = rig.client.query(
        "SELECT urn, lineage_urn, successions FROM school_lineage WHERE urn BETWEEN 740001 AND 740006 ORDER BY urn"
    ).result_rows
    assert lines == [
        (740_001, 740_004, 2), (740_002, 740_004, 2), (740_003, 740_004, 1), (740_004, 740_004, 0),
        (740_005, 740_005, 0), (740_006, 740_006, 0),
    ]  # fmt: skip
