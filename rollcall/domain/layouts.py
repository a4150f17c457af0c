"""How attendance statistics are laid out when they are published: columns in their order, and how each is written.

`dashboard-2025`: the file behind the Department's dashboard "Pupil attendance in schools", 2025/26 (columns, symbols
and habits read off the published file; Open Government Licence).

`ees-2024`, `ees-2024-weekly`, `ees-2024-ytd`: its three files for Explore education statistics in 2024/25, of days,
weeks and the year to date (read off data/EES_*_data.csv as of 26 September 2024, commit aba90ad of the repository
dfe-analytical-services/attendance-data-dashboard; Open Government Licence).

A row is made with every column that any layout has, by its name in `dashboard-2025`; a layout takes and writes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

__all__ = ["DASHBOARD_2025", "EES_2024", "LAYOUTS", "Layout"]

Row = Mapping[str, str]


def _as_in_the_dashboard(value: Fraction) -> str:
    """Rounded half up to 8 decimals, below ten to 9, without trailing zeros."""
    places = Decimal("1e-8") if value >= 10 else Decimal("1e-9")
    return _plain((Decimal(value.numerator) / Decimal(value.denominator)).quantize(places, rounding=ROUND_HALF_UP))


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _in_full(value: Fraction) -> str:
    return _plain(Decimal(value.numerator) / Decimal(value.denominator))


def _in_fifteen_digits(value: Fraction) -> str:
    """As R writes a number: 15 significant digits without trailing zeros, 4.9e-05 where that is the shorter."""
    context = Context(prec=15, rounding=ROUND_HALF_UP)
    rounded = context.divide(Decimal(value.numerator), Decimal(value.denominator)).normalize(context)
    digits = "".join(map(str, rounded.as_tuple().digits))
    exponent = rounded.adjusted()
    fraction = f".{digits[1:]}" if digits[1:] else ""
    scientific = f"{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return min(_plain(rounded), scientific, key=len)


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns in order; percentages as column -> count they are of; `suppressed` stands for what is withheld.

    `breakdowns`: of Daily, Weekly and YTD those that are rows of it. `rate` and `mean` write a percentage and a mean
    over days. `withheld_too`: columns of how many schools there are that are withheld with the numbers. `written`:
    columns that are not written as in `dashboard-2025`, each out of the row.
    """

    name: str
    columns: tuple[str, ...]
    percentages: Mapping[str, str]
    suppressed: str
    breakdowns: tuple[str, ...] = ("Daily", "Weekly", "YTD")
    rate: Callable[[Fraction], str] = _as_in_the_dashboard
    mean: Callable[[Fraction], str] = _in_full
    withheld_too: frozenset[str] = frozenset()
    written: Mapping[str, Callable[[Row], str]] = field(default_factory=dict)

    def row(self, row: Row) -> dict[str, str]:
        """A row of every column as this layout has it."""
        return {name: self.written[name](row) if name in self.written else row[name] for name in self.columns}


_PERCENTAGES = {
    "attendance_perc": "overall_attendance",
    "overall_absence_perc": "overall_absence",
    "authorised_absence_perc": "authorised_absence",
    "unauthorised_absence_perc": "unauthorised_absence",
    "illness_perc": "reason_i_authorised_illness",
    "appointments_perc": "reason_m_authorised_medical_dental",
    "unauth_hol_perc": "reason_g_unauthorised_holiday",
    "unauth_oth_perc": "reason_o_other_unauthorised",
    "unauth_late_registers_closed_perc": "reason_u_unauthorised_late_after_registers_closed",
    "unauth_not_yet_perc": "reason_n_no_reason_yet",
    "auth_religious_perc": "reason_r_authorised_religious_observance",
    "auth_study_perc": "reason_s_authorised_study_leave",
    "auth_mob_perc": "reason_t_authorised_mobile_child",
    "auth_excluded_perc": "reason_e_authorised_excluded",
    "auth_performance_perc": "reason_c1_authorised_regulated_performance",
    "auth_interview_perc": "reason_j1_authorised_interview",
    "auth_part_time_perc": "reason_c2_authorised_temp_reduced_timetable",
    "auth_other_perc": "reason_c_authorised_other",
}

_COLUMNS = (
    "time_period",
    "time_identifier",
    "geographic_level",
    "country_code",
    "country_name",
    "region_code",
    "region_name",
    "new_la_code",
    "la_name",
    "old_la_code",
    "attendance_date",
    "day_number",
    "school_type",
    "week_commencing",
    "num_schools",
    "enrolments",
    "present_sessions",
    "approved_educational_activity",
    "overall_attendance",
    "overall_absence",
    "authorised_absence",
    "unauthorised_absence",
    "late_sessions",
    "possible_sessions",
    "reason_present_am",
    "reason_present_pm",
    "reason_present",
    "reason_l_present_late_before_registers_closed",
    "reason_i_authorised_illness",
    "reason_m_authorised_medical_dental",
    "reason_r_authorised_religious_observance",
    "reason_s_authorised_study_leave",
    "reason_t_authorised_mobile_child",
    "reason_h_authorised_holiday",
    "reason_e_authorised_excluded",
    "reason_c_authorised_other",
    "reason_c1_authorised_regulated_performance",
    "reason_j1_authorised_interview",
    "reason_c2_authorised_temp_reduced_timetable",
    "reason_b_aea_education_off_site",
    "reason_j_aea_interview",
    "reason_p_aea_approved_sporting_activity",
    "reason_v_aea_educational_visit_trip",
    "reason_w_aea_work_experience",
    "reason_k_aea_education_arranged_by_la",
    "reason_g_unauthorised_holiday",
    "reason_u_unauthorised_late_after_registers_closed",
    "reason_o_other_unauthorised",
    "reason_n_no_reason_yet",
    "reason_d_dual_registration",
    "reason_q_la_arrangements",
    "reason_y_not_attending_enforced_closure",
    "reason_y1_transport_not_provided",
    "reason_y2_travel_disruption",
    "reason_y3_premises_out_of_use",
    "reason_y4_closed_session_cancelled",
    "reason_y5_detention_sentence",
    "reason_y6_prohibited_infection_disease",
    "reason_y7_unavoidable_cause",
    "reason_not_attending_planned_closed",
    "reason_z_not_attending_not_on_roll",
    "reason_f_legacy_family_holiday",
    "academic_year",
    "total_num_schools",
    "total_enrolments",
    "attendance_perc",
    "overall_absence_perc",
    "authorised_absence_perc",
    "unauthorised_absence_perc",
    "illness_perc",
    "appointments_perc",
    "unauth_hol_perc",
    "unauth_oth_perc",
    "unauth_late_registers_closed_perc",
    "unauth_not_yet_perc",
    "auth_religious_perc",
    "auth_study_perc",
    "auth_mob_perc",
    "auth_excluded_perc",
    "auth_performance_perc",
    "auth_interview_perc",
    "auth_part_time_perc",
    "auth_other_perc",
    "breakdown",
    "pa_flag",
    "ytd_enrolments",
    "pa_perc",
)

DASHBOARD_2025 = Layout("dashboard-2025", _COLUMNS, _PERCENTAGES, "NA")

#: Columns that only the dashboard's file has.
_NOT_IN_EES = frozenset(
    {
        "day_number", "week_commencing", "reason_d_dual_registration", "reason_q_la_arrangements",
        "reason_y_not_attending_enforced_closure", "reason_y1_transport_not_provided", "reason_y2_travel_disruption",
        "reason_y3_premises_out_of_use", "reason_y4_closed_session_cancelled", "reason_y5_detention_sentence",
        "reason_y6_prohibited_infection_disease", "reason_y7_unavoidable_cause", "reason_not_attending_planned_closed",
        "reason_z_not_attending_not_on_roll", "reason_f_legacy_family_holiday", "academic_year", "breakdown", "pa_flag",
        "ytd_enrolments", "pa_perc",
    }
)  # fmt: skip


def _ees_columns(*without: str) -> tuple[str, ...]:
    """The dashboard's, without some, and with educational activity behind attendance."""
    columns = [name for name in _COLUMNS if name not in _NOT_IN_EES and name not in without]
    columns.remove("approved_educational_activity")
    columns.insert(columns.index("overall_attendance") + 1, "approved_educational_activity")
    return tuple(columns)


def _iso_date(row: Row) -> str:
    return "-".join(reversed(row["attendance_date"].split("/")))


def _week(row: Row) -> str:
    return f"Week {row['time_identifier']}"


def _la_code(row: Row) -> str:
    return row["old_la_code"] or "NA"


def _ees(name: str, columns: tuple[str, ...], breakdown: str, **written: Callable[[Row], str]) -> Layout:
    return Layout(
        name, columns, _PERCENTAGES, "c", (breakdown,), _in_fifteen_digits, _in_fifteen_digits,
        frozenset({"total_num_schools"}), {"old_la_code": _la_code, **written},
    )  # fmt: skip


EES_2024 = _ees("ees-2024", _ees_columns(), "Daily", attendance_date=_iso_date, time_identifier=_week)
_EES_2024_WEEKLY = _ees("ees-2024-weekly", _ees_columns("attendance_date"), "Weekly", time_identifier=_week)
_EES_2024_YTD = _ees(
    "ees-2024-ytd", (*_ees_columns("attendance_date", "time_identifier"), "time_identifier"), "YTD",
    time_period=lambda row: row["academic_year"], time_identifier=lambda row: "Academic year",
)  # fmt: skip
LAYOUTS: Mapping[str, Layout] = {one.name: one for one in (DASHBOARD_2025, EES_2024, _EES_2024_WEEKLY, _EES_2024_YTD)}
