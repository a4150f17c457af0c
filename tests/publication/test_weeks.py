"""Absence out of packed weeks (`rollcall weeks run`) is absence out of the marks, whatever has changed since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest

from rollcall.domain import places
from rollcall.domain.clock import now
from rollcall.domain.codes import CODES
from rollcall.domain.places import Excluded
from sinks.absence import GROUPINGS, Asked, absence_report
from sinks.derive import rederive
from sinks.erasure import erase
from sinks.weeks import make, stale
from tests.databases import Databases
from tests.mortal import Killed, Mortal
from tests.sinks import rows
from tests.sinks.test_as_at import merged

#: A Monday; six weeks of school, then a Monday that is never packed, for its week is not over.
FIRST = date(2025, 9, 8)
TODAY = FIRST + timedelta(days=42)
DAYS = [day for day in (FIRST + timedelta(days=n) for n in range(43)) if day.weekday() < 5]
URNS = (100001, 100002, 100003)
#: I is possible until it is not: its category changes on a Wednesday of these weeks.
SAID = ("/", "/", "/", "/", "I", "O", "L", "Y4", "#", "J", "??", "-")
CHANGES_ON = date(2025, 9, 24)


@pytest.fixture(scope="module")
def db(stack: Any, databases: Databases) -> Iterator[Any]:
    """Three schools of eight pupils: a move between authorities, new, lost and late pupils, changes of year group."""
    import clickhouse_connect

    with databases.one(failed=lambda: False) as name:
        client = clickhouse_connect.get_client(host=stack.clickhouse_host, port=stack.clickhouse_port, database=name)
        rows.code_map(client, {code.code: code.code for code in CODES})
        for urn in URNS:
            rows.school(client, urn, trust_id="7" if urn == URNS[0] else "")
            rows.roster(client, urn, _roster(urn))
        rows.school(client, URNS[1], valid_from=date(2025, 9, 25), la_code="331", la_name="Coventry", phase="Secondary")
        rows.school(client, URNS[2], valid_from=date(2025, 10, 9), phase="PRU/AP")
        client.command(
            "INSERT INTO code_category SELECT * REPLACE ({day:Date} AS valid_from, {day:Date} AS applies_from,"
            " false AS in_possible_sessions) FROM code_category FINAL WHERE canonical_code = 'I'",
            parameters={"day": CHANGES_ON},
        )
        rows.history(client, _marks())
        yield client
        client.close()


def _pupil(urn: int, place: int) -> int:
    """Pupils 6 and 7 of a school are at the next one as well."""
    return 10 * ((urn + (place > 5)) % 10) + place % 6


def _roster(urn: int) -> list[dict[str, Any]]:
    """0: throughout; 1: leaves on a Tuesday; 2: comes on a Thursday; 3: away for two weeks; 4: only before
    admission; of 5 nobody knows."""
    who = [_pupil(urn, place) for place in range(8)]
    new, left = date(2025, 9, 18), date(2025, 9, 30)
    return [
        rows.pupil(who[0]), rows.pupil(who[1], last_day=left), rows.pupil(who[2], first_day=new),
        rows.pupil(who[3], last_day=date(2025, 9, 17)), rows.pupil(who[3], first_day=date(2025, 10, 1)),
        rows.pupil(who[4], status="pre-admission"), rows.pupil(who[6]), rows.pupil(who[7], first_day=date(2025, 9, 8)),
    ]  # fmt: skip


def _marks() -> list[dict[str, Any]]:
    draw = Random(6)
    found = []
    for urn in URNS:
        for place in range(8):
            for day in DAYS:
                for session in ("AM", "PM"):
                    if draw.random() < 0.1:
                        continue
                    later = day >= date(2025, 10, 2) and place % 2
                    found.append(
                        _mark(
                            _pupil(urn, place), draw.choice(SAID), urn, day, session, len(found),
                            year_group="8" if later else "7", in_scope=not (later and place == 5),
                        )
                    )  # fmt: skip
    return found


def _mark(pupil: int, code: str, urn: int, day: date, session: str, offset: int, **facts: Any) -> dict[str, Any]:
    canonical = {"??": ""}.get(code, code)
    place = {"urn": urn, "session_date": day, "session": session, "offset": offset}
    return rows.mark(pupil, code, canonical_code=canonical, **place, **facts)


QUESTIONS: tuple[tuple[Asked, str | None], ...] = (
    *((Asked(FIRST, TODAY), by) for by in GROUPINGS),
    (Asked(FIRST, TODAY, las=("331",)), "year-group"),
    (Asked(FIRST, TODAY, urns=(URNS[2],), headline=False), "la"),
    # Neither begins nor ends with a week.
    (Asked(date(2025, 9, 17), date(2025, 10, 3), headline=False), "school"),
    (Asked(date(2025, 9, 24), date(2025, 9, 24)), "school"),
    (Asked(TODAY + timedelta(days=7), TODAY + timedelta(days=14)), "school"),
)


#: One that has a line per enrolment's place and year group, and one of everybody, after each change.
BRIEF = (QUESTIONS[GROUPINGS.index("school")], (Asked(FIRST, TODAY, headline=False), "year-group"))


def answers(client: Any, questions: Sequence[tuple[Asked, Any]], at: datetime | None = None) -> list[Any]:
    """Total and lines of questions; as at an instant, which has no weeks, they come of the marks one by one."""
    found = [absence_report(client, asked, by, at) for asked, by in questions]
    return [(one.total, one.lines) for one in found]


def left(client: Any) -> Sequence[tuple[int, date]]:
    return sorted(stale(client, FIRST, TODAY)[0])


def test_packed_weeks_give_what_the_marks_do_and_follow_them_before_they_are_packed_again(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        places,
        "EXCLUDED",
        (
            Excluded(FIRST, FIRST, "national", frozenset(), frozenset({"YTD"}), "Start of term"),
            Excluded(DAYS[3], DAYS[4], "local", frozenset({"331"}), frozenset(), "Snow"),
        ),
    )

    def equal(questions: Sequence[tuple[Asked, Any]] = BRIEF) -> None:
        assert answers(db, questions) == answers(db, questions, now())

    def made_again() -> None:
        make(db, TODAY)
        assert left(db) == of_today
        equal()

    of_today = [(urn, TODAY) for urn in URNS]
    killed = Mortal(db, 2)
    with pytest.raises(Killed):
        make(killed, TODAY, at_once=100)  # type: ignore[arg-type]
    assert 2 <= stale(db, FIRST, TODAY)[1] - len(left(db)) < 18
    equal()
    make(db, TODAY)
    assert left(db) == of_today
    assert make(db, TODAY) == 0
    equal(QUESTIONS)

    # An amendment, a withdrawal and a late mark each open their own school's week.
    later = {
        "asserted_at": datetime.fromisoformat("2025-11-03T09:00+00:00"),
        "batch": 2,
        "year_group": "7",
        "ingested_at": rows.ARRIVED + timedelta(1),
    }
    for number, (urn, code, day) in enumerate(
        ((URNS[0], "I", DAYS[1]), (URNS[1], "-", DAYS[8]), (URNS[0], "O", DAYS[2])), start=5_000
    ):
        rows.history(db, [_mark(_pupil(urn, 0), code, urn, day, "AM", number, **later)])
    assert left(db) == sorted([(URNS[0], FIRST), (URNS[1], FIRST + timedelta(days=7)), *of_today])
    equal()
    assert make(db, TODAY) == 2
    equal()

    # A map that says more changes marks whose school and session it has seen before.
    rows.code_map(db, {"??": "I"}, version=2, published_at=now())
    rows.history(db, [_mark(_pupil(URNS[0], 0), "I", URNS[0], DAYS[0], "PM", 6_000, **{**later, "map_version": 2})])
    make(db, TODAY)
    assert rederive(db) > 0
    assert len(left(db)) > len(of_today)
    equal()
    made_again()

    # Two numbers are one child: the marks of one count for the other, in weeks that are over too.
    assert merged(db, URNS[1], _pupil(URNS[1], 1), _pupil(URNS[1], 2)) > 0
    assert len(left(db)) > len(of_today)
    equal()
    made_again()

    who = _pupil(URNS[0], 0)
    holds = "SELECT count() FROM pupil_week WHERE has(arrayFlatten(pupil_id), {pupil:UInt64})"
    assert db.query(holds, parameters={"pupil": who}).first_row != (0,)
    assert erase(db, who, {}, [])["pupil_week"]
    assert db.query(holds, parameters={"pupil": who}).first_row == (0,)
    equal()
    made_again()
