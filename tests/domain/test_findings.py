"""The two closed lists: order (the bits are stored), names, and three sentences each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rollcall.domain import findings


def test_the_bits_never_move() -> None:
    """Rows that are written carry these bits: an exception is added at the end, and none is taken out."""
    assert findings.EXCEPTION_NAMES[:14] == (
        "not_on_roll",
        "outside_calendar",
        "dated_ahead",
        "code_session_mismatch",
        "unmapped_code",
        "code_out_of_date",
        "upn_invalid",
        "upn_shared",
        "clock_ahead",
        "submission_id_reused",
        "more_marks_than_roll",
        "dual_registration",
        "ambiguous_time",
        "school_not_open",
    )
    assert findings.BIT["not_on_roll"] == 1
    assert findings.BIT["ambiguous_time"] == 4096


def test_no_name_stands_twice_in_either_list() -> None:
    names = findings.EXCEPTION_NAMES + findings.QUARANTINE_NAMES
    assert len(set(names)) == len(names)


def test_every_finding_says_what_when_and_how() -> None:
    for finding in findings.EXCEPTIONS + findings.QUARANTINE:
        for sentence in (finding.what, finding.when_it_matters, finding.how_to_resolve):
            assert sentence.endswith("."), finding.name


@given(st.sets(st.sampled_from(findings.EXCEPTION_NAMES)))
def test_names_and_bits_are_two_ways_to_say_the_same(names: set[str]) -> None:
    assert set(findings.names_of(findings.bits(names))) == names
