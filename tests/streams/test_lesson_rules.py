"""A session's mark that follows from lessons by a school's own rule (rule 7), and everything that takes it back."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from rollcall.domain.codes import MapEntry
from rollcall.domain.lesson_rules import LessonRule, check
from rollcall.domain.pupil_aliases import merge
from sinks import erasure, reference
from sinks.code_maps import what_would_change
from sinks.derive import derive_lives, rederive, rederive_lessons
from sinks.mark_stories import story
from sinks.verify import repair, verify
from tests.reference.conftest import TAKEN, applied, code_map, school
from tests.streams.messages import DAY, OTHER_URN, URN, Here, at, mark, page, record, register
from tests.streams.rig import Fate, Rig
from tests.streams.test_aliases import published as aliased
from tests.streams.town import pupil_id

_minutes = itertools.count()
#: Registration and the first lesson; the fourth in the afternoon.
ROLL_CALL = LessonRule("best_of_roll_call", am=("Reg", "P1"), pm=("P4",))


def published(rig: Rig, *rules: LessonRule, urn: int = 0) -> int:
    """Bring a school's rules in force, as the loader does; how many session dates were derived again."""
    check(urn or Here.urn, rules)
    message = {
        "urn": urn or Here.urn, "published_at": at(next(_minutes)), "author": "data manager", "reason": "test",
        "rules": [rule._asdict() for rule in rules],
    }  # fmt: skip
    reference.apply(rig.client, [applied("lesson-rule", message)], {})
    return rederive_lessons(rig.client)


def heard(rig: Rig) -> None:
    """What came before workers had heard of a rule is derived by the loader's second pass."""
    rederive_lessons(rig.client)


def lesson(*marks: dict[str, Any], period: str = "Reg", **facts: Any) -> dict[str, Any]:
    """A register of a lesson in the morning of DAY."""
    return register(*marks, period=period, **facts)


def counting(rig: Rig) -> dict[tuple[str, date, str], tuple[str, str]]:
    """(pupil, date, session) -> (kind of source, code) of the marks that count."""
    refs = {pupil_id(f"P{n}", Here.urn): f"P{n}" for n in range(30)}
    rows = rig.here(
        "SELECT pupil_id, session_date, toString(session), toString(source_kind), canonical_code"
        " FROM mark_current FINAL WHERE is_mark AND urn ="
    )
    return {(refs[pupil], day, session): (kind, code) for pupil, day, session, kind, code in rows}


def counts(rig: Rig) -> dict[str, int]:
    """Code -> marks of school_session, all sessions; zeros left out."""
    found: dict[str, int] = {}
    for (_, code), marks in rig.counts(Here.urn).items():
        found[code] = found.get(code, 0) + marks
    return {code: marks for code, marks in found.items() if marks}


def agree(rig: Rig) -> None:
    """Current marks and counts are what the history says; in the end of all tests of the file, the fixture asks."""
    found = verify(rig.client)
    assert found.equal, found.as_json()


MORNING = ("P0", DAY, "AM")


def test_without_a_rule_of_its_own_school_a_lesson_moves_nothing(working: Rig) -> None:
    published(working, ROLL_CALL, urn=OTHER_URN)
    working.done(lesson(mark("P0"), mark("P1", "O")), page(record("a", "P2", "/", period="P1")))
    heard(working)
    assert counting(working) == {}
    assert counts(working) == {}


def test_the_best_mark_of_the_window_is_the_sessions_and_says_what_it_follows_from(working: Rig) -> None:
    published(working, ROLL_CALL)
    codes = {
        "P0": ("N", "/"),
        "P1": ("O", "L"),
        "P2": ("N", "I"),
        "P3": ("U", "O"),
        "P4": ("D", "I"),
        "P5": ("QQ", "N"),
    }
    working.done(
        lesson(*(mark(ref, first) for ref, (first, _) in codes.items())),
        lesson(*(mark(ref, second) for ref, (_, second) in codes.items()), period="P1"),
        lesson(mark("P0", "O"), mark("P9"), period="P2"),
        lesson(mark("P0", "L"), mark("P8"), session="PM", period="P4"),
        lesson(mark("P7"), session="PM", period="P1"),
    )
    heard(working)
    found = counting(working)
    expected = {"P0": "/", "P1": "L", "P2": "I", "P3": "U", "P4": "I", "P5": "N"}
    assert found == {(ref, DAY, "AM"): ("lesson", code) for ref, code in expected.items()} | {
        ("P0", DAY, "PM"): ("lesson", "L"), ("P8", DAY, "PM"): ("lesson", "/"),
    }  # fmt: skip
    assert counts(working) == {"/": 2, "L": 2, "I": 2, "U": 1, "N": 1}
    said = working.here("SELECT canonical_code, rule, source, event_id FROM marks_from_lessons WHERE urn =")
    assert {(code, rule, source) for code, rule, source, _ in said} == {
        (code, "best_of_roll_call", "classroom") for code in ("/", "L", "I", "U", "N")
    }  # fmt: skip
    shown = working.here("SELECT canonical_code, source_kind, event_id FROM marks_current WHERE urn =")
    assert sorted(shown) == sorted((code, "lesson", event) for code, _, _, event in said)
    periods = working.here("SELECT DISTINCT period FROM marks_history WHERE event_id IN (SELECT event_id FROM"
                           " marks_from_lessons) AND urn =")  # fmt: skip
    assert {period for (period,) in periods} == {"Reg", "P1", "P4"}
    assert working.here("SELECT count() FROM marks_conflicting WHERE urn =") == [(0,)]
    for event in {event for code, _, _, event in said if code == "U"}:
        told = story(working.client, event)
        assert [(one.is_mark, one.code, one.rule) for one in told.counts] == [(True, "U", "lessons: best_of_roll_call")]
        assert [(one.did, one.rule) for one in told.steps] == [("counts", "lessons: best_of_roll_call")]


def test_a_school_may_say_itself_which_code_is_the_best(working: Rig) -> None:
    published(working, ROLL_CALL._replace(best=("I", "O")))
    working.done(lesson(mark("P0"), mark("P1", "O"), mark("P2")), lesson(mark("P0", "I"), mark("P1", "/"), period="P1"))
    heard(working)
    assert {ref: code for (ref, _, _), (_, code) in counting(working).items()} == {"P0": "I", "P1": "O", "P2": "/"}


def test_of_one_lesson_a_definite_code_counts_then_the_mis_as_in_period_marks(working: Rig) -> None:
    published(working, ROLL_CALL)
    working.done(
        lesson(mark("P0", "L"), mark("P1", "O"), submitted_at=at(20)),
        page(record("a", "P0", "O", period="Reg"), record("b", "P1", "N", period="Reg")),
    )
    heard(working)
    assert counting(working) == {MORNING: ("lesson", "O"), ("P1", DAY, "AM"): ("lesson", "O")}
    (system,) = {row[0] for row in working.here("SELECT source FROM marks_from_lessons WHERE canonical_code = 'O'"
                                                f" AND pupil_id = {pupil_id('P0', Here.urn)} AND urn =")}  # fmt: skip
    assert system == "mis"


@pytest.mark.parametrize("rule_first", [True, False])
def test_a_mark_of_the_session_goes_before_lessons_whenever_it_comes(working: Rig, *, rule_first: bool) -> None:
    """Whatever it says: an N of the session too. When it is withdrawn, lessons are asked again."""
    if rule_first:
        published(working, ROLL_CALL)
    working.done(register(mark("P1", "N")))
    working.done(lesson(mark("P0"), mark("P1")))
    if not rule_first:
        published(working, ROLL_CALL)
    heard(working)
    assert counting(working) == {MORNING: ("lesson", "/"), ("P1", DAY, "AM"): ("register", "N")}
    working.done(page(record("a", "P0", "I"), taken_at=at(5)))
    heard(working)
    assert counting(working)[MORNING] == ("mis", "I")
    assert counts(working) == {"N": 1, "I": 1}
    assert working.here("SELECT max(sources), max(disagree) FROM mark_current FINAL WHERE urn =") == [(1, False)]
    working.done(page(deletions=["a"], taken_at=at(30), complete=False), register(mark("P1", "-"), submitted_at=at(9)))
    assert counting(working) == {MORNING: ("lesson", "/"), ("P1", DAY, "AM"): ("lesson", "/")}
    assert counts(working) == {"/": 2}


def test_what_is_amended_withdrawn_or_deleted_in_a_lesson_is_followed(working: Rig) -> None:
    published(working, ROLL_CALL)
    working.done(lesson(mark("P1")))
    heard(working)
    working.done(page(record("a", "P0", "N", period="Reg"), record("b", "P0", "O", period="P1")))
    heard(working)
    assert counting(working)[MORNING] == ("lesson", "O")
    working.done(page(record("a", "P0", "L", period="Reg"), taken_at=at(5), complete=False))
    assert counting(working)[MORNING] == ("lesson", "L")
    working.done(page(deletions=["a"], taken_at=at(10), complete=False))
    assert counting(working)[MORNING] == ("lesson", "O")
    working.done(page(record("b", "P0", "-", period="P1"), taken_at=at(20), complete=False))
    assert MORNING not in counting(working)
    assert counts(working) == {"/": 1}
    assert working.done(page(deletions=["never-said"], taken_at=at(30), complete=False)) == [[Fate("unknown_record")]]


def test_a_rule_published_late_holds_between_its_dates_and_goes_when_it_is_changed_or_withdrawn(working: Rig) -> None:
    days = [DAY + timedelta(days=n) for n in range(4)]
    for day in days:
        working.done(lesson(mark("P0"), session_date=day), lesson(mark("P0", "L"), period="P2", session_date=day))
    assert counting(working) == {}
    within = ROLL_CALL._replace(first_day=days[1], last_day=days[2])
    published(working, within)
    assert counting(working) == {("P0", day, "AM"): ("lesson", "/") for day in days[1:3]}
    assert counts(working) == {"/": 2}
    agree(working)
    published(working, within, LessonRule("later_lesson", am=("P2",), first_day=days[3]))
    expected = {("P0", day, "AM"): ("lesson", "/") for day in days[1:3]} | {("P0", days[3], "AM"): ("lesson", "L")}
    assert counting(working) == expected
    names = "SELECT session_date, rule FROM marks_from_lessons WHERE urn ="
    assert dict(working.here(names)) == {
        days[1]: "best_of_roll_call", days[2]: "best_of_roll_call", days[3]: "later_lesson",
    }  # fmt: skip
    published(working, within._replace(first_day=days[2]))
    assert counting(working) == {("P0", days[2], "AM"): ("lesson", "/")}
    published(working)
    assert counting(working) == {}
    assert counts(working) == {}


def test_marks_of_a_merged_pupil_count_for_the_other_and_for_itself_again(working: Rig) -> None:
    published(working, ROLL_CALL)
    working.done(
        lesson(mark("P1", "O"), mark("P2", "L")), lesson(mark("P0", "/"), period="P1"), register(mark("P3", "N"))
    )  # fmt: skip
    heard(working)
    before = counting(working)
    aliased(working, pupil_id("P0", Here.urn), merge(pupil_id("P1", Here.urn)))
    aliased(working, pupil_id("P2", Here.urn), merge(pupil_id("P3", Here.urn)))
    assert counting(working) == {("P1", DAY, "AM"): ("lesson", "/"), ("P3", DAY, "AM"): ("register", "N")}
    agree(working)
    working.done(lesson(mark("P0", "N"), period="P1", submitted_at=at(5)))
    heard(working)
    assert counting(working)["P1", DAY, "AM"] == ("lesson", "O")
    for ref in ("P0", "P2"):
        aliased(working, pupil_id(ref, Here.urn))
    assert counting(working) == before | {MORNING: ("lesson", "N")}


def test_a_code_that_a_map_gives_another_meaning_is_another_mark_and_the_dry_run_says_so(working: Rig) -> None:
    scheme = f"local-{Here.urn}"

    def map_of(meaning: str, version: int) -> dict[str, Any]:
        published_at = TAKEN + timedelta(hours=version)
        return code_map(scheme, version, ("P", "/"), ("A", meaning), ("-", "-"), published_at=published_at)

    reference.apply(working.client, [applied("code-map", map_of("O", 1))], {})
    published(working, ROLL_CALL)
    working.done(lesson(mark("P0", "A"), mark("P1", "P"), code_scheme=scheme))
    rederive(working.client, [scheme])
    heard(working)
    assert counting(working) == {MORNING: ("lesson", "O"), ("P1", DAY, "AM"): ("lesson", "/")}
    entries = [MapEntry("P", "/"), MapEntry("A", "I"), MapEntry("-", "-")]
    told = what_would_change(working.client, scheme, entries)
    assert [(one.urn, one.was, one.becomes, one.marks) for one in told.changes] == [(Here.urn, "O", "I", 1)]
    reference.apply(working.client, [applied("code-map", map_of("I", 2))], {})
    assert rederive(working.client, [scheme]) == 1
    assert counting(working)[MORNING] == ("lesson", "I")


def test_of_days_on_which_the_school_was_not_open_nothing_follows_rule_12(working: Rig) -> None:
    published(working, ROLL_CALL)
    after = DAY + timedelta(days=1)
    working.done(lesson(mark("P0")), lesson(mark("P0"), session_date=after))
    heard(working)
    reference.apply(working.client, [applied("school", school(Here.urn, closed_on=DAY, taken_at=at(0)))], {})
    derive_lives(working.client, [Here.urn])
    assert counting(working) == {MORNING: ("lesson", "/")}
    agree(working)
    reference.apply(working.client, [applied("school", school(Here.urn, taken_at=at(1)))], {})
    derive_lives(working.client, [Here.urn])
    assert counting(working) == {MORNING: ("lesson", "/"), ("P0", after, "AM"): ("lesson", "/")}


def test_of_an_erased_pupil_nothing_follows_any_more_and_of_others_all(working: Rig) -> None:
    published(working, ROLL_CALL)
    working.done(lesson(mark("P0", "O"), mark("P1")))
    heard(working)
    who = pupil_id("P0", Here.urn)
    erasure.erase(working.client, who, {}, [])
    assert counting(working) == {("P1", DAY, "AM"): ("lesson", "/")}
    assert counts(working) == {"/": 1}
    assert working.here(f"SELECT count() FROM period_current WHERE pupil_id = {who} AND urn =") == [(0,)]


def test_what_is_lost_of_current_state_is_made_again_from_the_history(working: Rig) -> None:
    published(working, ROLL_CALL)
    working.done(lesson(mark("P0"), mark("P1", "O")), register(mark("P1", "/")))
    heard(working)
    before = counting(working), counts(working)
    for table in ("period_current", "mark_current", "school_session"):
        working.client.command(f"DELETE FROM {table} WHERE urn = {Here.urn}")
    found = verify(working.client)
    assert {one.table for one in found.differences} == {"period_current", "mark_current", "school_session"}
    repair(working.client, found.differences)
    assert (counting(working), counts(working)) == before


# ---- workers that have not heard, killed, and without suppression


def test_what_a_worker_wrote_before_it_heard_of_a_rule_is_derived_by_the_loaders_next_pass(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a session's mark for the first, and derives no lesson."""
    monkeypatch.setattr(reference, "load_lesson_schools", lambda _: pa.table({"urn": pa.array([], pa.uint32())}))
    with rig.worker():
        rig.done(lesson(mark("P0", "O"), mark("P1")))
        published(rig, ROLL_CALL)
        assert counting(rig) == {MORNING: ("lesson", "O"), ("P1", DAY, "AM"): ("lesson", "/")}
        rig.done(lesson(mark("P0", "L"), mark("P2"), submitted_at=at(5)), register(mark("P1", "I")))
        assert counting(rig) == {MORNING: ("lesson", "O"), ("P1", DAY, "AM"): ("lesson", "/")}
        heard(rig)
        assert counting(rig) == {
            MORNING: ("lesson", "L"), ("P1", DAY, "AM"): ("register", "I"), ("P2", DAY, "AM"): ("lesson", "/"),
        }  # fmt: skip
    rig.check()


@pytest.mark.parametrize("failpoint", ["history.written", "derive.before", "derive.current_written"])
def test_a_worker_that_is_killed_leaves_nothing_that_recovery_does_not_make(rig: Rig, failpoint: str) -> None:
    published(rig, ROLL_CALL)
    sent = rig.send(lesson(mark("P0", "O"), mark("P1"), period="P1"), register(mark("P2")), lesson(mark("P2", "N")))
    rig.dies_at(failpoint)
    if failpoint == "history.written":
        rig.client.command("TRUNCATE TABLE touched")  # a view is not atomic with its source
    with rig.worker():
        rig.settle(*sent)
    assert counting(rig) == {
        MORNING: ("lesson", "O"), ("P1", DAY, "AM"): ("lesson", "/"), ("P2", DAY, "AM"): ("register", "/"),
    }  # fmt: skip
    assert counts(rig) == {"O": 1, "/": 2}
    rig.check()


def test_a_loader_killed_between_publishing_and_deriving_is_healed_by_the_next(rig: Rig) -> None:
    with rig.worker():
        rig.done(lesson(mark("P0")))
        message = {
            "urn": URN, "published_at": at(0), "author": "data manager", "reason": "test",
            "rules": [ROLL_CALL._asdict()],
        }  # fmt: skip
        reference.apply(rig.client, [applied("lesson-rule", message)], {})
        assert not verify(rig.client, tries=1).equal
        assert rederive_lessons(rig.client) == 1
        assert counting(rig) == {MORNING: ("lesson", "/")}
    rig.check()


@pytest.mark.parametrize("suppressed", [True, False])
def test_with_and_without_suppression_the_same_marks_follow(rig: Rig, *, suppressed: bool) -> None:
    published(rig, ROLL_CALL)
    with rig.worker(rig.settings_with(suppression=suppressed)):
        for minute in range(3):
            rig.done(
                lesson(mark("P0", "N"), mark("P1", "O"), submitted_at=at(minute)),
                lesson(mark("P0", "L"), mark("P1", "N"), period="P1", submitted_at=at(minute)),
            )
        rig.done(register(mark("P1", "I"), submitted_at=at(9)), register(mark("P1", "I"), submitted_at=at(10)))
    assert counting(rig) == {MORNING: ("lesson", "L"), ("P1", DAY, "AM"): ("register", "I")}
    assert counts(rig) == {"L": 1, "I": 1}
    rig.check()


# ---- what may be said


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ([ROLL_CALL._replace(name="Best")], "a name is"),
        ([ROLL_CALL._replace(am=(), pm=())], "names no lesson"),
        ([ROLL_CALL._replace(am=("P1", "P1"))], "named twice"),
        ([ROLL_CALL._replace(am=(" ",))], "no name of a lesson"),
        ([ROLL_CALL._replace(best=("-",))], "no national code"),
        ([ROLL_CALL._replace(first_day=DAY, last_day=DAY - timedelta(days=1))], "ends before it begins"),
        ([ROLL_CALL, ROLL_CALL._replace(name="second", first_day=DAY)], "both hold on 2025-09-10"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused_with_its_name(rules: list[LessonRule], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(URN, rules)
