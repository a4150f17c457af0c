"""When the cuts of a snapshot are, and what no snapshot can be."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.snapshots.schedule import Cut, Schedule, cuts_between, differing, one_cut
from rollcall.errors import UsageError

HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
WINTER, SUMMER = date(2023, 2, 1), date(2025, 6, 4)


def schedule(**changed: object) -> Schedule:
    told = {"name": "strike", "day": WINTER, "cuts": cuts_between(WINTER, "07:00", "16:00", HOUR), "deadline": QUARTER}
    return Schedule(**{**told, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(("day", "first_utc"), [(WINTER, 7), (SUMMER, 6)])
def test_rule_8_cuts_are_times_of_day_in_london_and_both_ends_are_cuts(day: date, first_utc: int) -> None:
    cuts = cuts_between(day, "07:00", "16:00", HOUR)
    assert [cut.label for cut in cuts] == [f"{hour:02}:00" for hour in range(7, 17)]
    assert cuts[0].at == datetime(day.year, day.month, day.day, first_utc, tzinfo=UTC)
    assert {later.at - cut.at for cut, later in itertools.pairwise(cuts)} == {HOUR}


def test_seconds_are_in_a_label_only_where_they_matter() -> None:
    labels = [cut.label for cut in cuts_between(WINTER, "9:00", "09:01:30", timedelta(seconds=45))]
    assert labels == ["09:00", "09:00:45", "09:01:30"]
    (cut,) = one_cut(datetime(2025, 6, 4, 8, 30, 7, 250, tzinfo=UTC))
    assert cut == Cut("09:30:07", datetime(2025, 6, 4, 8, 30, 7, tzinfo=UTC))


def test_a_cut_closes_when_the_next_one_begins_and_the_last_after_as_long_again() -> None:
    plan = schedule()
    first, last = plan.cuts[0], plan.cuts[-1]
    assert plan.due(first) == first.at + QUARTER
    assert plan.closes(first) == first.at + HOUR
    assert plan.closes(last) == last.at + 2 * QUARTER
    assert plan.label(plan.cut("7:00")) == "strike/07:00"
    with pytest.raises(UsageError, match="has no cut 07:30; it has 07:00, 08:00"):
        plan.cut("07:30")


def test_what_is_kept_of_it_is_all_of_it() -> None:
    plan = schedule(sources=("wonde",), today=SUMMER)
    assert Schedule.of_json(plan.as_json()) == plan
    assert differing(plan, plan) == []
    assert differing(plan, schedule(deadline=HOUR, sources=("wonde",), today=SUMMER)) == ["deadline"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"name": "a/b"}, "is no name for a snapshot"),
        ({"name": "Strike"}, "is no name for a snapshot"),
        ({"cuts": cuts_between(WINTER, "16:00", "07:00", HOUR)}, "--until is before --from"),
        ({"deadline": timedelta(hours=2)}, "--deadline is longer than --every"),
        ({"deadline": timedelta(0)}, "need some time"),
        ({"cuts": cuts_between(WINTER, "00:00", "23:59", timedelta(seconds=1))}, "longer --every"),
    ],
)
def test_what_cannot_be_meant_is_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        schedule(**changed)


@pytest.mark.parametrize("text", ["7", "24:00", "07:60", "noon", "07:00Z"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a time of day is wanted"):
        cuts_between(WINTER, text, "16:00", HOUR)


def test_the_first_cut_each_fourth_and_the_last_read_everything_unless_it_is_said_otherwise() -> None:
    plan = schedule()

    def whole(plan: Schedule) -> list[str]:
        return [cut.label for cut in plan.cuts if plan.reads_whole(cut)]

    assert whole(plan) == ["07:00", "11:00", "15:00", "16:00"]
    assert whole(schedule(whole_every=1)) == [cut.label for cut in plan.cuts]
    assert whole(schedule(whole_every=24)) == ["07:00", "16:00"]
    # How much is read is no part of what a name means; and a plan from before there was a choice is the same snapshot.
    stored = plan.as_json()
    assert differing(Schedule.of_json(stored), schedule(whole_every=1)) == []
    del stored["whole_every"]
    assert Schedule.of_json(stored) == plan
    with pytest.raises(UsageError, match="--whole-every"):
        schedule(whole_every=0)
