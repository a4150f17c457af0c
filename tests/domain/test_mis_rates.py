"""An MIS's own rate beside ours."""

from __future__ import annotations

from datetime import date

from rollcall.domain.categories import BUILT_IN, CategoryRow
from rollcall.domain.codes import MapEntry
from rollcall.domain.mis_rates import CodeDifference, Sessions, mis_rates
from rollcall.domain.summaries import Summary, compare_summaries

DAY = date(2025, 9, 10)
MAP = [MapEntry("P", "/"), MapEntry("S", "I"), MapEntry("X1", "Y", None, date(2025, 8, 31)), MapEntry("X1", "N", DAY)]


def test_a_rate_is_made_of_what_the_map_says_on_the_day() -> None:
    """Y is not possible; what is no mark, and days closed, are in no rate (rule 3); nor is a code without a map."""
    theirs = [Summary(1, {"P": 6, "S": 2, "X1": 1, "#": 5, "-": 3, "??": 4})]
    found = mis_rates("mis", compare_summaries(theirs, {1: {"P": 7}}), MAP, BUILT_IN, DAY)
    assert (found.theirs, found.held) == (Sessions(9, 6, 4), Sessions(7, 7, 0))


def test_a_code_counts_as_the_document_of_categories_says_on_the_day() -> None:
    rows = [
        *(row for row in BUILT_IN if row.code != "I"),
        CategoryRow("I", "authorised_absence", None, date(2025, 9, 9)), CategoryRow("I", "not_possible", DAY),
    ]  # fmt: skip
    theirs = compare_summaries([Summary(1, {"P": 6, "S": 2})], {1: {"P": 6, "S": 2}})
    assert mis_rates("mis", theirs, MAP, rows, DAY).theirs == Sessions(6, 6)
    assert mis_rates("mis", theirs, MAP, rows, date(2025, 9, 9)).theirs == Sessions(8, 6)


def test_codes_that_differ_are_told_and_what_may_be_a_comment_is_not() -> None:
    theirs = [Summary(1, {"P": 6, "was ill today": 1}), Summary(2, {"P": 3, "S": 1})]
    found = mis_rates(
        "mis", compare_summaries(theirs, {1: {"P": 7}, 2: {"P": 3, "S": 1}, 3: {"P": 2}}), MAP, BUILT_IN, DAY
    )
    assert found.codes == (CodeDifference("P", 9, 10, 1), CodeDifference("<withheld, 13 characters>", 1, 0, 1))
    assert (found.pupils, found.without_summary) == (2, 1)
