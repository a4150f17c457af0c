"""A source's summaries compared with our counts, pupil by pupil."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rollcall.domain.summaries import Summary, compare_summaries

THEN = datetime(2025, 9, 10, 18, tzinfo=UTC)


def test_equal_counts() -> None:
    found = compare_summaries([Summary(1, {"/": 3, "N": 1}), Summary(2, {})], {1: {"/": 3, "N": 1}})
    assert (found.pupils, found.pupils_differing) == (2, 0)
    assert (found.theirs, found.ours) == ({"/": 3, "N": 1}, {"/": 3, "N": 1})


def test_pupils_differ_although_the_school_adds_up() -> None:
    found = compare_summaries([Summary(1, {"/": 3}), Summary(2, {"/": 1})], {1: {"/": 2}, 2: {"/": 2}})
    assert (found.pupils_differing, found.theirs["/"], found.ours["/"], found.differing) == (2, 4, 4, {"/": 2})


def test_of_two_summaries_the_later_is_taken_whichever_comes_first() -> None:
    early, late = Summary(1, {"/": 1}, THEN), Summary(1, {"/": 2}, THEN + timedelta(hours=1))
    for theirs in ([early, late], [late, early]):
        found = compare_summaries(theirs, {1: {"/": 2}})
        assert (found.pupils, found.pupils_differing, found.superseded) == (1, 0, 1)
    assert compare_summaries([Summary(1, {"/": 1}), Summary(1, {"/": 2})], {1: {"/": 2}}).pupils_differing == 0


def test_closed_days_and_no_marks_are_shown_and_never_differ() -> None:
    found = compare_summaries([Summary(1, {"/": 1, "#": 5})], {1: {"/": 1, "-": 2}})
    assert (found.pupils_differing, found.theirs["#"], found.ours["-"]) == (0, 5, 2)


def test_a_summary_newer_than_the_last_pull_says_nothing_where_it_differs() -> None:
    theirs = [Summary(1, {"/": 2}, THEN), Summary(2, {"/": 1}, THEN)]
    found = compare_summaries(theirs, {1: {"/": 1}, 2: {"/": 1}}, THEN - timedelta(minutes=1))
    assert (found.not_pulled_yet, found.pupils, found.pupils_differing) == (1, 1, 0)
    assert compare_summaries(theirs, {1: {"/": 1}, 2: {"/": 1}}, THEN).pupils_differing == 1


def test_pupils_without_a_summary_are_counted_apart() -> None:
    found = compare_summaries([], {1: {"/": 1}})
    assert (found.without_summary, found.pupils, found.pupils_differing) == (1, 0, 0)
