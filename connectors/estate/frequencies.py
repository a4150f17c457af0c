"""How often each code is used and how absence is spread over pupils: the published figures the estate is drawn from.

Sources: DfE, Pupil attendance in schools, 2025/26 year to date (reasons as a share of possible sessions) and week 37 of
2025 (codes outside possible sessions); absence distributions 2022/23 (pupils per 5 % band). Figures in per cent.
"""

from __future__ import annotations

__all__ = [
    "ABSENCE_REASONS",
    "ACTIVITY",
    "BANDS",
    "FRESH_UNEXPLAINED",
    "LATE",
    "NOT_POSSIBLE",
    "OVERALL_ABSENCE",
    "PERSISTENT",
    "SEVERE_WIDTH",
    "family",
]

#: Absence as a share of possible sessions, in per cent.
OVERALL_ABSENCE: dict[str, float] = {"Primary": 5.2767, "Secondary": 8.4898, "Special": 13.1692}

#: Each reason for absence, per cent of possible sessions; N is the settled value (fresh registers have more).
ABSENCE_REASONS: dict[str, dict[str, float]] = {
    "Primary": {
        "I": 2.7860, "M": 0.2720, "R": 0.0655, "S": 0.0002, "T": 0.0142, "E": 0.0369, "C": 0.3674, "C1": 0.0033,
        "C2": 0.1667, "J1": 0.0170, "G": 0.5349, "U": 0.1694, "O": 0.7938, "N": 0.0494,
    },
    "Secondary": {
        "I": 3.6270, "M": 0.3763, "R": 0.0579, "S": 0.1004, "T": 0.0030, "E": 0.2887, "C": 0.4258, "C1": 0.0051,
        "C2": 0.3210, "J1": 0.0157, "G": 0.3144, "U": 0.2965, "O": 2.6084, "N": 0.0495,
    },
    "Special": {
        "I": 5.0194, "M": 1.0150, "R": 0.0534, "S": 0.0227, "T": 0.0065, "E": 0.1740, "C": 1.6754, "C1": 0.0046,
        "C2": 1.5882, "J1": 0.0100, "G": 0.4074, "U": 0.3234, "O": 2.7999, "N": 0.0692,
    },
}  # fmt: skip

#: Late before the register closed, per cent of possible sessions. Nearly all of it in the morning.
LATE: dict[str, float] = {"Primary": 1.1219, "Secondary": 2.7900, "Special": 0.7667}

#: Approved educational activity, per cent of possible sessions.
ACTIVITY: dict[str, dict[str, float]] = {
    "Primary": {"B": 0.1908, "K": 0.0176, "P": 0.0848, "V": 0.7329},
    "Secondary": {"B": 0.2996, "K": 0.0789, "P": 0.1421, "V": 0.7292, "W": 0.3085},
    "Special": {"B": 0.8892, "K": 0.1013, "P": 0.0477, "V": 0.4643, "W": 0.0612},
}

#: Codes outside possible sessions, per cent of possible sessions. D and Z belong to pupils (dual registration,
#: pre-admission), the rest to circumstances.
NOT_POSSIBLE: dict[str, float] = {
    "D": 0.207, "Z": 0.519, "#": 0.123, "Y7": 0.081, "Y4": 0.039, "Y3": 0.022, "Y1": 0.017, "Y2": 0.0075, "Q": 0.0033,
    "Y6": 0.0018, "Y5": 0.0004,
}  # fmt: skip

#: Absences whose reason nobody knows when the register closes, as a share of I and O; settled within hours or days.
FRESH_UNEXPLAINED = 0.35

#: Pupils per band of absence 0-5, 5-10, ... 45-50, 50 and more per cent of their possible sessions, 2022/23.
BANDS: dict[str, tuple[float, ...]] = {
    "Primary": (56.12, 27.67, 9.17, 3.21, 1.39, 0.72, 0.42, 0.26, 0.18, 0.13, 0.75),
    "Secondary": (46.31, 27.17, 11.01, 4.77, 2.57, 1.62, 1.13, 0.83, 0.66, 0.52, 3.40),
    "Special": (35.27, 26.40, 13.60, 7.09, 3.98, 2.54, 1.72, 1.27, 1.00, 0.89, 6.24),
}

#: How far the last band reaches: absences from 50 to 90 per cent.
SEVERE_WIDTH = 0.40

#: Persistently absent pupils (10 % or more), per cent, 2025/26 year to date.
PERSISTENT: dict[str, float] = {"Primary": 13.77, "Secondary": 23.77, "Special": 36.06}


def family(phase: str) -> str:
    """The published phase whose figures a school of `phase` is drawn from (rule 13 names the phases)."""
    return {"Primary": "Primary", "Nursery": "Primary", "Secondary": "Secondary", "16 plus": "Secondary"}.get(
        phase, "Special"
    )
