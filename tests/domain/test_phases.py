"""Rule 13: the Department's school_type from GIAS's two columns."""

from __future__ import annotations

import pytest

from rollcall.domain.phases import PHASES, phase_of, state_funded


@pytest.mark.parametrize(
    ("establishment_type", "phase_of_education", "phase", "funded"),
    [
        ("Community school", "Primary", "Primary", True),
        ("Academy converter", "Secondary", "Secondary", True),
        ("Voluntary aided school", "Middle deemed primary", "Primary", True),
        ("Foundation school", "Middle deemed secondary", "Secondary", True),
        ("Academy sponsor led", "All-through", "Secondary", True),
        ("Free schools 16 to 19", "16 plus", "Secondary", True),
        ("University technical college", "Not applicable", "Secondary", True),
        ("Pupil referral unit", "Not applicable", "PRU/AP", True),
        ("Academy alternative provision converter", "Secondary", "PRU/AP", True),
        ("Local authority nursery school", "Nursery", "Nursery", True),
        ("Academy special converter", "Not applicable", "Special", True),
        ("Free schools special", "Primary", "Special", True),
        ("Other independent special school", "Not applicable", "Special", False),
        ("Other independent school", "Primary", "Independent", False),
        (" community SCHOOL ", "primary", "Primary", True),
    ],
)
def test_phase(establishment_type: str, phase_of_education: str, phase: str, funded: bool) -> None:
    assert phase_of(establishment_type, phase_of_education) == phase
    assert phase in PHASES
    assert state_funded(establishment_type) is funded
