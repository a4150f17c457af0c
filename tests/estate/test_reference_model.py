"""The reference model on cases written by hand: every outcome of a mark, and the counter-examples of suppression."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.estate.known import Known, World
from connectors.estate.marks import Again, Arrival, Outcome
from connectors.estate.outcomes import ReferenceModel
from rollcall.domain.codes import MapEntry, national_map_entries
from rollcall.domain.findings import names_of

DAY = date(2025, 9, 10)
URN = 100_001
NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


class OneSchool(ReferenceModel):
    """A model of one school with pupils 'a' and 'b', that takes registers and pages in short form."""

    def __init__(self) -> None:
        local = (*national_map_entries(), MapEntry("9", "Y6"))
        known = {(URN, "mis", name): Known(name) for name in "ab"}
        known[URN, "wonde", "Wa"] = Known("a")
        known[URN, "upn", "shared"] = Known(None, ("upn_shared",))
        known[URN, "mis", "odd"] = Known("odd", ("upn_invalid",))
        known[URN, "mis", "left"] = Known("left")
        on_roll = {(URN, name): [(date(2024, 9, 1), None)] for name in ("a", "b", "odd")}
        super().__init__(
            World(
                schools=frozenset({URN}),
                pupils=known,
                enrolments={**on_roll, (URN, "left"): [(date(2024, 9, 1), date(2025, 9, 5))]},
                maps={"national": national_map_entries(), "dialect": local},
                open_on=lambda _, day: day.weekday() < 5 and day != date(2025, 9, 8),
                loaded=lambda day: date(2025, 9, 1) <= day <= date(2026, 8, 31),
            )
        )
        self.offset = 0
        self._again: Again | None = None

    def again(self, offset: int, *items: int) -> OneSchool:
        """The next message is a replay of items of the one at this offset."""
        self._again = Again("r", 0, offset, int(NOW.timestamp() * 1000), items)
        return self

    def register(self, at: str, *codes: tuple[Any, ...] | str, **changes: Any) -> list[Outcome]:
        """A register of 10 September at HH:MM UTC; a code alone is pupil a's, or (ref, code[, minutes])."""
        marks = [("a", one) if isinstance(one, str) else one for one in codes]
        hour, minute = at.split(":")
        record = {
            "submission_id": "s",
            "urn": URN,
            "source": "classroom",
            "session_date": DAY,
            "session": "AM",
            "period": None,
            "complete": True,
            "submitted_at": datetime(2025, 9, 10, int(hour), int(minute), tzinfo=UTC),
            "code_scheme": "national",
            "marks": [
                {
                    "pupil_ref": ref,
                    "pupil_scheme": changes.get("scheme", "mis"),
                    "code": code,
                    "minutes_late": rest[0] if rest else None,
                }
                for ref, code, *rest in marks
            ],
            "amendments": [],
            **{name: value for name, value in changes.items() if name != "scheme"},
        }
        return self._arrive("r", record)

    def page(
        self, at: str, *records: tuple[str, str], deletions: tuple[str, ...] = (), **changes: Any
    ) -> list[Outcome]:
        """A page of pupil a's records (record id, code) from a pull at HH:MM UTC."""
        hour, minute = at.split(":")
        record = {
            "pull_id": "p",
            "urn": URN,
            "source": "wonde",
            "complete": False,
            "taken_at": datetime(2025, 9, 10, int(hour), int(minute), tzinfo=UTC),
            "code_scheme": "national",
            "marks": [
                {
                    "record_id": record_id,
                    "pupil_ref": "Wa",
                    "pupil_scheme": "wonde",
                    "session_date": DAY,
                    "session": "AM",
                    "period": None,
                    "code": code,
                    "minutes_late": None,
                    "modified_at": None,
                    **changes.get("mark", {}),
                }
                for record_id, code in records
            ],
            "deletions": list(deletions),
            **{name: value for name, value in changes.items() if name != "mark"},
        }
        return self._arrive("m", record)

    def stands(self, pupil: str = "a", session: str = "AM") -> str | None:
        """The raw code that stands for a pupil on 10 September."""
        current = self.current().get((URN, pupil, DAY, session))
        return None if current is None else current.raw_code

    def _arrive(self, topic: str, record: dict[str, Any]) -> list[Outcome]:
        self.offset += 1
        again, self._again = self._again, None
        return self.take(Arrival(topic, 0, self.offset, int(NOW.timestamp() * 1000)), record, again)


@pytest.fixture
def school() -> OneSchool:
    return OneSchool()


def _said(outcomes: list[Outcome]) -> list[str]:
    """accepted, superseded, unchanged, or the reason of a quarantine."""
    return [one.reason or ("superseded" if one.superseded else one.outcome) for one in outcomes]


def _found(outcomes: list[Outcome]) -> set[str]:
    return set(names_of(outcomes[0].exceptions))


def test_a_whole_register_said_again_is_unchanged(school: OneSchool) -> None:
    assert _said(school.register("08:00", "/")) == ["accepted"]
    assert _said(school.register("09:00", "/")) == ["unchanged"]


def test_an_exact_repeat_of_an_amendment_is_unchanged_and_a_later_one_is_not(school: OneSchool) -> None:
    school.register("08:00", "/", complete=False)
    assert _said(school.register("08:00", "/", complete=False)) == ["unchanged"]
    assert _said(school.register("09:00", "/", complete=False)) == ["accepted"]


def test_the_way_back_keeps_its_third_event(school: OneSchool) -> None:
    said = [_said(school.register(at, code)) for at, code in (("08:00", "/"), ("09:00", "N"), ("10:00", "/"))]
    assert said == [["accepted"]] * 3
    assert school.stands() == "/"


def test_a_late_page_older_than_a_suppressed_repeat_is_superseded(school: OneSchool) -> None:
    """'/' 10:00, '/' 11:00 suppressed, then N of 10:30 arrives: N must not stand."""
    school.register("10:00", "/")
    assert _said(school.register("11:00", "/")) == ["unchanged"]
    assert _said(school.register("10:30", "N", complete=False)) == ["superseded"]
    assert school.stands() == "/"


def test_the_original_that_arrives_after_its_correction_loses(school: OneSchool) -> None:
    """L of 09:20, then the original N of 09:00 late: it is history and does not stand."""
    school.register("09:20", ("a", "L", 12), complete=False)
    assert _said(school.register("09:00", "N")) == ["accepted"]
    assert school.stands() == "L"


def test_a_correction_after_a_suppressed_repeat_still_counts(school: OneSchool) -> None:
    school.register("10:00", "/")
    school.register("11:00", "/")
    assert _said(school.register("12:00", "I", complete=False)) == ["accepted"]
    assert school.stands() == "I"


def test_minutes_late_and_the_amendment_are_content(school: OneSchool) -> None:
    school.register("08:00", ("a", "L", 5))
    assert _said(school.register("09:00", ("a", "L", 6))) == ["accepted"]
    amendment = {
        "item": 0,
        "original_code": "L",
        "reason_code": "register-error",
        "staff_ref": "S1",
        "staff_position": "officer",
        "evidence": "none",
        "amended_at": NOW,
    }
    assert _said(school.register("10:00", ("a", "L", 6), amendments=[amendment])) == ["accepted"]
    assert _said(school.register("11:00", ("a", "L", 6), amendments=[amendment])) == ["unchanged"]


def test_the_same_pupil_twice_in_one_register(school: OneSchool) -> None:
    assert _said(school.register("08:00", "/", "/", ("b", "/"))) == ["accepted", "unchanged", "accepted"]
    assert _said(school.register("09:00", "N", "I", ("b", "/"))) == ["contradicts_itself"] * 2 + ["unchanged"]
    assert school.stands() == "/"


def test_a_withdrawal_leaves_nothing_standing_and_a_mark_after_it_stands(school: OneSchool) -> None:
    school.register("08:00", "/")
    assert _found(school.register("09:00", "-")) == set()
    assert school.stands() is None
    school.register("10:00", "I")
    assert school.stands() == "I"


def test_a_blank_alone_is_missing_not_a_mark(school: OneSchool) -> None:
    assert _said(school.register("08:00", "")) == ["accepted"]
    assert school.stands() is None


def test_a_deletion_takes_its_record_away_and_an_unknown_one_is_quarantined(school: OneSchool) -> None:
    assert _said(school.page("08:00", ("1", "/"), deletions=("2",))) == ["accepted", "unknown_record"]
    assert _said(school.page("09:00", deletions=("1",))) == ["accepted"]
    assert school.stands() is None
    assert _said(school.page("10:00", ("1", "/"))) == ["accepted"]
    assert school.stands() == "/"


def test_a_replay_is_of_the_items_it_names_at_their_first_place_in_time_and_counts_once(school: OneSchool) -> None:
    late: tuple[tuple[str, str], ...] = (("late", "/"), ("a", "/"))
    assert _said(school.register("08:00", *late)) == ["unknown_pupil", "accepted"]
    school.register("09:00", ("a", "N"), ("b", "N"))
    assert _said(school.again(1, 0).register("08:00", *late)) == ["unknown_pupil"]
    school.world.pupils[URN, "mis", "late"] = Known("late")  # type: ignore[index]
    (taken,) = school.again(1, 0).register("08:00", *late)
    assert (taken.outcome, taken.version & 0xFFFFF) == ("accepted", 1)
    assert school.receipts["r", 0, 4][3:] == (1, 1, 0, 0)
    school.register("10:00", ("late", "L"))
    assert _said(school.again(1, 0).register("08:00", *late)) == ["unchanged"]
    assert (school.stands("late"), school.stands("a")) == ("L", "N")


def test_a_second_record_stands_when_the_first_is_deleted(school: OneSchool) -> None:
    school.page("08:00", ("1", "/"))
    school.page("09:00", ("2", "I"))
    assert school.stands() == "I"
    school.page("10:00", deletions=("2",))
    assert school.stands() == "/"


def test_two_records_of_one_page_are_one_mark(school: OneSchool) -> None:
    assert _said(school.page("08:00", ("2", "I"), ("1", "I"))) == ["accepted", "accepted"]
    assert [mark.sources for mark in school.current().values()] == [1]
    assert school.stands() == "I"


@pytest.mark.parametrize(
    ("register", "page", "stands"),
    [("/", "I", "I"), ("/", "N", "/"), ("/", "ZZ9", "/"), ("N", "ZZ9", "ZZ9"), ("-", "N", "N"), ("O", "-", "O")],
)
def test_between_sources_definite_first_then_the_mis(school: OneSchool, register: str, page: str, stands: str) -> None:
    school.page("07:00", ("1", page))
    school.register("11:00", register)
    assert school.stands() == stands


def test_a_lesson_mark_never_touches_the_session(school: OneSchool) -> None:
    school.page("08:00", ("1", "/"))
    assert _said(school.page("09:00", ("2", "O"), mark={"period": "P1"})) == ["accepted"]
    assert school.stands() == "/"
    assert len(school.assertions()) == 1


@pytest.mark.parametrize(
    ("changes", "mark", "reason"),
    [
        ({"session": "EV"}, ("x", "/"), "bad_session"),
        ({"session_date": date(2086, 9, 10)}, ("x", "/"), "date_out_of_range"),
        ({}, ("x", "y" * 200), "malformed_code"),
        ({}, ("a", "/\t"), "malformed_code"),
        ({"urn": 999_999}, ("a", "/"), "unknown_school"),
        ({}, ("x", "/"), "unknown_pupil"),
        ({"scheme": "upn"}, ("shared", "/"), "ambiguous_pupil"),
    ],
)
def test_the_first_reason_that_applies(school: OneSchool, changes: Any, mark: Any, reason: str) -> None:
    assert _said(school.register("08:00", mark, **changes)) == [reason]
    assert not school.current()


@pytest.mark.parametrize(
    ("changes", "mark", "found"),
    [
        ({}, ("a", "/"), set()),
        ({"session": "PM"}, ("a", "/"), {"code_session_mismatch"}),
        ({}, ("a", "\\"), {"code_session_mismatch"}),
        ({}, ("a", "ZZ9"), {"unmapped_code"}),
        ({}, ("a", "J"), {"unmapped_code"}),
        ({}, ("a", "H"), {"code_out_of_date"}),
        ({}, ("a", "Y"), {"code_out_of_date"}),
        ({"code_scheme": "dialect"}, ("a", "9"), set()),
        ({}, ("a", "9"), {"unmapped_code"}),
        ({}, ("left", "/"), {"not_on_roll"}),
        ({}, ("left", "Z"), set()),
        ({}, ("odd", "/"), {"upn_invalid"}),
        ({"session_date": date(2025, 9, 8)}, ("a", "/"), {"outside_calendar"}),
        ({"session_date": date(2025, 9, 8)}, ("a", "#"), set()),
        ({"session_date": date(2025, 9, 11)}, ("a", "C"), {"dated_ahead"}),
        ({"submitted_at": NOW + timedelta(hours=3)}, ("a", "/"), {"clock_ahead"}),
        ({"submitted_at": NOW + timedelta(minutes=5)}, ("a", "/"), set()),
    ],
)
def test_exceptions(school: OneSchool, changes: Any, mark: Any, found: set[str]) -> None:
    outcomes = school.register("08:00", mark, **changes)
    assert _said(outcomes) == ["accepted"]
    assert _found(outcomes) == found


def test_a_clock_ahead_is_capped_at_arrival_plus_the_bound(school: OneSchool) -> None:
    ahead = school.register("08:00", "/", submitted_at=NOW + timedelta(hours=3))[0]
    assert ahead.asserted_ms == int(NOW.timestamp() * 1000) + 300_000
    assert ahead.version == ahead.asserted_ms << 20 | 1


def test_the_records_own_time_goes_before_the_pulls(school: OneSchool) -> None:
    late = {"modified_at": datetime(2025, 9, 10, 7, 30, tzinfo=UTC)}
    school.page("10:00", ("1", "I"), mark={"modified_at": datetime(2025, 9, 10, 8, 0, tzinfo=UTC)})
    school.page("11:00", ("1", "/"), mark=late)
    assert school.stands() == "I"


def test_receipts_count_every_mark_and_deletion_once(school: OneSchool) -> None:
    school.register("08:00", "/", "/", ("x", "/"), ("b", "I"))
    receipt = next(iter(school.receipts.values()))
    assert (receipt.marks, receipt.accepted, receipt.unchanged, receipt.quarantined) == (4, 2, 1, 1)


def test_a_message_refused_whole_is_one_entry(school: OneSchool) -> None:
    school.refuse(Arrival("r", 3, 7, 0), "undecodable")
    assert [(tuple(place), one.reason) for place, one in school.outcomes.items()] == [(("r", 3, 7, -1), "undecodable")]
    assert not school.receipts


def test_marks_of_days_on_which_the_school_was_not_open_stand_nowhere_rule_12() -> None:
    model = OneSchool()
    model.world = replace(model.world, lives={URN: (date(2025, 9, 10), date(2025, 9, 11))})
    for day in (8, 9, 10, 11, 12):
        (told,) = model.register("09:00", "/", session_date=date(2025, 9, day))
        found = {"school_not_open"} if day not in (10, 11) else set()
        assert set(names_of(told.exceptions)) - {"dated_ahead"} == found, day
    (withdrawn,) = model.register("09:10", "-", session_date=date(2025, 9, 9))
    assert withdrawn.exceptions == 0
    assert {day.day for _, _, day, _ in model.current()} == {10, 11}
    assert len(model.assertions()) == 5
