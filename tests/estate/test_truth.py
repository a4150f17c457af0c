"""The truth of the estate: the same for a seed, near the published figures (DfE, 2025/26 to date; bands 2022/23)."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from datetime import date, timedelta

import numpy as np
import pytest
from stdnum.gb import upn as standard

from connectors.estate.day import CODES, NO_MARK, absent, draw_day
from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.frequencies import (
    ABSENCE_REASONS,
    ACTIVITY,
    BANDS,
    LATE,
    OVERALL_ABSENCE,
    PERSISTENT,
)
from connectors.estate.makes import FEW, MAKES, MIX, TRUST
from connectors.estate.pupils import (
    BOARDER,
    DUAL,
    FAMILIES,
    LEAVER,
    PART_TIME,
    UPN_INVALID,
    UPN_SHARED,
    Pupils,
    make_pupils,
)
from connectors.estate.registers import groups_of
from connectors.estate.schools import make_schools
from rollcall.domain.codes import BY_CODE
from rollcall.domain.upn import upn_valid

DAY = date(2025, 9, 10)
AHEAD_OF = date(2025, 10, 1)


@pytest.fixture(scope="module")
def many() -> Pupils:
    """As many pupils of every phase as the narrowest tolerance below needs."""
    return make_pupils(5, make_schools(5, 520, 120_000))


def _estate(seed: int, dirt: Dirt | None = None, **how: object) -> Estate:
    return Estate.make(seed, 8, 2_400, [DAY], dirt or Dirt.default(), ahead_of=AHEAD_OF, **how)  # type: ignore[arg-type]


def _said(estate: Estate) -> list[object]:
    script = estate.script
    return [[[one.body() for one in tick] for tick in script.submissions], script.changes, script.end, script.counts]


def test_one_seed_gives_one_truth_and_another_seed_another() -> None:
    assert _said(_estate(1)) == _said(_estate(1))
    assert _said(_estate(1)) != _said(_estate(2))


def test_an_estate_holds_exactly_the_schools_and_pupils_asked_for() -> None:
    for schools, pupils in ((1, 2), (3, 50), (48, 36_000), (700, 230_123)):
        made = make_schools(1, schools, pupils)
        assert len(made) == schools
        assert sum(school.pupils for school in made) == pupils == len(make_pupils(1, made))
    with pytest.raises(ValueError, match="at least"):
        make_schools(1, 5, 9)


def test_a_trust_of_every_make_has_one_small_school_of_the_make_that_is_asked_for_every_mark() -> None:
    made = make_schools(1, 48, 36_000, makes=TRUST, few=FEW)
    pulled = [school for school in made if school.pulled]
    assert {school.make for school in pulled} == set(MAKES)
    (small,) = [school for school in pulled if school.make == FEW]
    assert small.pupils == min(school.pupils for school in pulled)
    assert all(school.pupil_scheme == "upn" for school in pulled if not school.tells_mis_id)
    assert not any(school.make == FEW for school in make_schools(1, 2, 60, makes=TRUST, few=FEW) if school.pulled)


def test_where_ids_name_places_a_record_that_comes_back_is_the_same_record() -> None:
    estate = Estate.make(3, 4, 1_200, [date(2025, 9, 10)], Dirt(deletion=0.1, twice_equal=0.05), feeds="bromcom")
    for tick in estate.ticks:
        estate.advance(tick)
    held = [one for records in estate.records.values() for one in records.values()]
    places = {(one.pupil_ref, one.session_date, one.session) for one in held}
    assert len(places) == len(held)
    assert any(one.been_gone and one.deleted_at is None for one in held)
    assert any(one.twice for one in held)
    standing = {(one.pupil, one.session): one.code for one in held if one.deleted_at is None}
    assert {(key[1], key[3]): code for key, code in estate.script.end.items()} == standing


def test_the_trust_of_the_demonstration_has_all_it_should() -> None:
    estate = Estate.make(1, 48, 36_000, [DAY], ahead_of=AHEAD_OF)
    phases = Counter(school.phase for school in estate.schools)
    assert {"Primary", "Secondary", "Special", "PRU/AP"} <= phases.keys()
    assert len({school.la_code for school in estate.schools}) >= 5
    assert sum(school.pulled for school in estate.schools) == 24
    assert {school.make for school in estate.schools if school.feed == "both"} == set(MIX)
    assert Counter(school.make for school in estate.schools if school.pulled) == dict.fromkeys(MIX, 24 // len(MIX))
    assert any(school.sixth_form for school in estate.schools)
    assert any(school.nursery_class for school in estate.schools)
    for flag in (BOARDER, PART_TIME, LEAVER, DUAL, UPN_INVALID, UPN_SHARED):
        assert 0 < estate.pupils.has(flag).sum() < 400


@pytest.fixture(scope="module")
def missed(many: Pupils) -> dict[bool, np.ndarray]:
    """Share of a year's sessions each pupil misses, without and with the scale to the published absence."""
    days = [DAY + timedelta(days=n) for n in range(190)]
    counted = {settle: np.zeros(len(many), np.int32) for settle in (False, True)}
    for day in days:
        for settle, count in counted.items():
            morning, afternoon = absent(many, day, settle=settle)
            count += morning
            count += afternoon
    return {settle: count / (2 * len(days)) for settle, count in counted.items()}


@pytest.mark.parametrize("phase", FAMILIES)
def test_pupils_fall_into_the_published_bands_over_a_year(
    many: Pupils, missed: dict[bool, np.ndarray], phase: str
) -> None:
    share = missed[False][many.phase == FAMILIES.index(phase)]
    found = np.histogram(share, bins=[*np.arange(0, 0.51, 0.05), 1.01])[0] / len(share) * 100
    assert np.abs(found - np.array(BANDS[phase])).max() < 2.0


@pytest.mark.parametrize("phase", FAMILIES)
def test_persistent_absence_is_near_the_published_share(
    many: Pupils, missed: dict[bool, np.ndarray], phase: str
) -> None:
    """Near only: the bands are those of 2022/23, the overall absence and this share those of 2025/26."""
    share = missed[True][many.phase == FAMILIES.index(phase)]
    assert (share >= 0.1).mean() * 100 == pytest.approx(PERSISTENT[phase], abs=5.0)


@pytest.mark.parametrize("phase", FAMILIES)
def test_codes_are_as_frequent_as_published(many: Pupils, phase: str) -> None:
    drawn = [draw_day(5, many, DAY + timedelta(days=n)) for n in range(4)]
    rows = many.phase == FAMILIES.index(phase)
    numbers = np.concatenate([column[rows] for day in drawn for column in (day.am, day.pm)])
    counts = Counter(CODES[number] for number in numbers[numbers != NO_MARK].tolist())
    possible = sum(count for code, count in counts.items() if BY_CODE[code].in_possible_sessions)
    share = {code: 100 * count / possible for code, count in counts.items()}
    absences = sum(share.get(code, 0) for code in ABSENCE_REASONS[phase])
    assert absences == pytest.approx(OVERALL_ABSENCE[phase], rel=0.08)
    for code, wanted in {**ABSENCE_REASONS[phase], **ACTIVITY[phase], "L": LATE[phase]}.items():
        if wanted > 0.1:
            assert share.get(code, 0) == pytest.approx(wanted, rel=0.25, abs=0.08), code


def test_upns_are_valid_but_for_those_meant_to_be_invalid() -> None:
    estate = Estate.make(1, 48, 36_000, [DAY], ahead_of=AHEAD_OF)
    upns = [upn for school in estate.schools for upn in estate.upns(school)]
    invalid = estate.pupils.has(UPN_INVALID)
    assert [not upn_valid(upn) for upn in upns] == invalid.tolist()
    assert all(standard.is_valid(upn) for upn, wrong in zip(upns, invalid, strict=True) if not wrong)
    shared = estate.pupils.has(UPN_SHARED) | estate.pupils.has(DUAL)
    carried = Counter(upns)
    assert [carried[upn] > 1 for upn in upns] == shared.tolist()


def test_boarders_and_part_time_afternoons_have_no_mark_due(many: Pupils) -> None:
    day = draw_day(5, many, DAY)
    assert (day.am[many.has(BOARDER)] == NO_MARK).all()
    assert (day.pm[many.has(PART_TIME)] == NO_MARK).all()
    assert (day.am[many.has(PART_TIME) & ~many.has(BOARDER)] != NO_MARK).all()


def test_a_day_without_school_is_refused() -> None:
    for closed in (date(2025, 9, 13), date(2025, 10, 28), date(2025, 8, 20), date(2025, 12, 25)):
        with pytest.raises(ValueError, match="no school day"):
            Estate.make(1, 2, 60, [closed], ahead_of=closed)


def test_at_a_closed_site_everybody_who_was_due_is_y4_and_elsewhere_nothing_changes() -> None:
    open_day, snow = (_estate(4, Dirt.none(), feeds="wonde", closed=share) for share in (0.0, 0.25))
    assert len(snow.closed) == 2
    before, after = (one.script.end for one in (open_day, snow))
    assert before.keys() == after.keys()
    closed = {code for (urn, *_), code in after.items() if urn in snow.closed}
    never_possible = {"D", "Z", "#", "X", "Q", *(f"Y{number}" for number in range(1, 8))}
    assert "Y4" in closed <= never_possible
    assert {code for key, code in after.items() if key[0] in snow.closed and before[key] in ("/", "\\", "I", "L")} == {
        "Y4"
    }
    assert all(code == before[key] for key, code in after.items() if key[0] not in snow.closed)


def test_a_clean_estate_sends_each_register_once_and_corrects_only_what_was_unsure() -> None:
    estate = _estate(1, Dirt.none(), feeds="register")
    assert set(estate.script.counts) <= {"amendment", "whole_register_amended"}
    assert not estate.script.missing
    due = sum(len(groups_of(estate.pupils, school)) for school in estate.schools)
    assert len(estate.script.submissions[0]) == due
    assert all(one.complete for one in estate.script.submissions[0])
    marked = sum(int((column != NO_MARK).sum()) for column in _columns(estate))
    # Who shares a UPN cannot be placed where registers name pupils by it.
    by_upn = [school for school in estate.schools if school.pupil_scheme == "upn"]
    unplaceable = [
        row for school in by_upn for row in estate.pupils.of(school) if estate.pupils.flags[row] & UPN_SHARED
    ]
    due_of_them = sum(int((column[unplaceable] != NO_MARK).sum()) for column in _columns(estate))
    assert len(estate.script.end) == marked - due_of_them


def _columns(estate: Estate) -> tuple[np.ndarray, np.ndarray]:
    day = draw_day(estate.seed, estate.pupils, DAY)
    return day.am, day.pm


#: Dirt of the transport, not of the script; the server's and the edge's tests are about it.
_ON_THE_WAY = ("server_errors", "page_repeats", "ignored_filters")


@pytest.mark.parametrize("kind", [field.name for field in fields(Dirt) if field.name not in _ON_THE_WAY])
def test_each_kind_of_dirt_can_be_had_alone(kind: str) -> None:
    rate = 1.0 if getattr(Dirt.default(), kind) > 0.1 else 0.2
    estate = Estate.make(1, 12, 5_000, [DAY], replace(Dirt.none(), **{kind: rate}), ahead_of=AHEAD_OF)
    assert estate.script.counts[kind] > 0
    others = set(estate.script.counts) - {kind, "amendment", "whole_register_amended"}
    assert not others
