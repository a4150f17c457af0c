"""What goes wrong in an estate, and how often. Every kind is counted when it is put in: a report can be marked."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["LOCAL_CODES", "UNKNOWN_CODES", "WITHDRAWN", "Dirt"]

#: Display codes of schools with a dialect, and what they mean nationally.
LOCAL_CODES: dict[str, str] = {"ILL": "I", "HOL": "G", "TRIP": "V", "9": "Y6", "APPT": "M", "OUT": "O"}
#: Codes that no map knows (rule 2).
UNKNOWN_CODES: tuple[str, ...] = ("?1", "ZZ9", "xx")
#: Codes out of use since 19 August 2024 (rule 4); J is not even mapped any more.
WITHDRAWN: tuple[str, ...] = ("H", "F", "Y", "J")


@dataclass(frozen=True, slots=True)
class Dirt:
    """Rates between 0 and 1. The first group is per register of a group and session (or per pulled school and session),
    the second per mark, the third per school and day.
    """

    repeat: float = 0.0
    resubmission: float = 0.0
    base_after_amendment: float = 0.0
    late_arrival: float = 0.0
    missing_register: float = 0.0
    submission_id_reused: float = 0.0
    clock_ahead: float = 0.0

    withdrawn_code: float = 0.0
    local_code: float = 0.0
    unknown_code: float = 0.0
    unknown_pupil: float = 0.0
    wrong_present: float = 0.0
    withdrawal: float = 0.0
    deletion: float = 0.0
    twice_equal: float = 0.0
    twice_different: float = 0.0
    long_code: float = 0.0

    far_off_date: float = 0.0
    dated_ahead: float = 0.0
    outside_calendar: float = 0.0
    empty_register: float = 0.0
    lesson_marks: float = 0.0
    server_errors: float = 0.0
    page_repeats: float = 0.0
    ignored_filters: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0.0 <= getattr(self, field.name) <= 1.0:
                raise ValueError(f"{field.name}: a rate is between 0 and 1, not {getattr(self, field.name)}")

    @classmethod
    def none(cls) -> Dirt:
        """A clean estate."""
        return cls()

    @classmethod
    def default(cls) -> Dirt:
        """Rates at which a day of a trust shows every kind, most of them several times."""
        return cls(
            repeat=0.03,
            resubmission=0.05,
            base_after_amendment=0.02,
            late_arrival=0.03,
            missing_register=0.02,
            submission_id_reused=0.01,
            clock_ahead=0.005,
            withdrawn_code=0.0006,
            local_code=0.5,
            unknown_code=0.0006,
            unknown_pupil=0.0005,
            wrong_present=0.002,
            withdrawal=0.001,
            deletion=0.001,
            twice_equal=0.0004,
            twice_different=0.0004,
            long_code=0.0003,
            far_off_date=0.15,
            dated_ahead=0.3,
            outside_calendar=0.2,
            empty_register=0.1,
            lesson_marks=0.3,
            server_errors=0.02,
            page_repeats=0.2,
            ignored_filters=0.05,
        )
