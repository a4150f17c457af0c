"""How attendance statistics are laid out when they are published: columns in their order, and how each is written.

`dashboard-2025`: the file behind the Department's dashboard "Pupil attendance in schools", 2025/26 (columns, symbols
and habits read off the published file; Open Government Licence).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["DASHBOARD_2025", "LAYOUTS", "Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns in order; percentages as column -> count they are of; `suppressed` stands for what is withheld."""

    name: str
    columns: tuple[str, ...]
    percentages: Mapping[str, str]
    suppressed: str


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
LAYOUTS: Mapping[str, Layout] = {one.name: one for one in (DASHBOARD_2025,)}
