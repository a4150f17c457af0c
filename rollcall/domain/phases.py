"""Which phase a school is counted in: the Department's `school_type` (rule 13), from GIAS's two columns.

Establishment type decides first (alternative provision, nursery, special, independent), then the phase of education:
middle deemed as deemed, all-through, 16 plus and not applicable as secondary. Sources: the Department's own grouping in
its package giasr (open_state_schools.R) and the school types of "Pupil attendance in schools".
"""

from __future__ import annotations

__all__ = [
    "HEADLINE",
    "INDEPENDENT",
    "NURSERY",
    "PHASES",
    "PRIMARY",
    "PRU_AP",
    "SECONDARY",
    "SPECIAL",
    "phase_of",
    "state_funded",
]

PRIMARY = "Primary"
SECONDARY = "Secondary"
SPECIAL = "Special"
PRU_AP = "PRU/AP"
NURSERY = "Nursery"
INDEPENDENT = "Independent"
#: In the order reports show them.
PHASES: tuple[str, ...] = (PRIMARY, SECONDARY, SPECIAL, PRU_AP, NURSERY, INDEPENDENT)
#: Whose pupils are in the published headline, if state-funded (rule 14).
HEADLINE: frozenset[str] = frozenset({PRIMARY, SECONDARY, SPECIAL})

_PRU_AP = frozenset(
    {
        "pupil referral unit",
        "free schools alternative provision",
        "academy alternative provision converter",
        "academy alternative provision sponsor led",
    }
)
_NURSERY = frozenset({"local authority nursery school"})
_STATE_SPECIAL = frozenset(
    {
        "community special school",
        "foundation special school",
        "academy special converter",
        "academy special sponsor led",
        "free schools special",
    }
)
_OTHER_SPECIAL = frozenset({"non-maintained special school", "other independent special school"})
_STATE_MAINSTREAM = frozenset(
    {
        "community school",
        "voluntary aided school",
        "voluntary controlled school",
        "foundation school",
        "city technology college",
        "academy converter",
        "academy sponsor led",
        "academy 16-19 converter",
        "academy 16 to 19 sponsor led",
        "free schools",
        "free schools 16 to 19",
        "studio schools",
        "university technical college",
    }
)
_STATE = _STATE_MAINSTREAM | _STATE_SPECIAL | _PRU_AP | _NURSERY
_PRIMARY_PHASES = frozenset({"primary", "middle deemed primary"})


def phase_of(establishment_type: str, phase_of_education: str) -> str:
    """The phase of a school from GIAS's "TypeOfEstablishment (name)" and "PhaseOfEducation (name)". Case is ignored.

    An establishment type that is none of the state's is Independent.
    """
    kind = establishment_type.strip().lower()
    if kind in _PRU_AP:
        return PRU_AP
    if kind in _NURSERY:
        return NURSERY
    if kind in _STATE_SPECIAL or kind in _OTHER_SPECIAL:
        return SPECIAL
    if kind not in _STATE:
        return INDEPENDENT
    phase = phase_of_education.strip().lower()
    if phase in _PRIMARY_PHASES:
        return PRIMARY
    return NURSERY if phase == "nursery" else SECONDARY


def state_funded(establishment_type: str) -> bool:
    """Whether a school of this GIAS type is state-funded. Case is ignored; an unknown type is not."""
    return establishment_type.strip().lower() in _STATE
