"""How a session's mark follows from lessons (rule 7): what a school may say, and which code of several is the best.

Where a rule of the school holds, a pupil's session of which no mark stands has the best mark among the lessons of the
roll-call window: of the lessons that the rule names, no others. That is how Arbor makes its roll-call mark, "the best
attendance mark" of the marks taken within the AM or PM window
(https://support.arbor-education.com/hc/en-us/articles/360014434097). Which mark is better is not said there; `BEST` is
ours: a child who was seen in any of these lessons was in school. A mark of the session always goes before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.codes import BY_CODE, CODES, NO_MARK, PROVISIONAL, Code

__all__ = ["BEST", "LessonRule", "check", "of_record", "order"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: Most rules of a school, and most lessons of a window.
_MOST_RULES, _MOST_LESSONS = 100, 40
#: Of a lesson's name, in characters.
_LONGEST = 40


class LessonRule(NamedTuple):
    """From the first to the last session date (inclusive; None is open): the lessons of each window, and the order.

    `am`, `pm`: lessons as the sources call them, in order; of equal marks that of the lesson named first counts.
    `best`: canonical codes, the best first; the others come after them, as in `BEST`.
    """

    name: str
    am: tuple[str, ...] = ()
    pm: tuple[str, ...] = ()
    best: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None


def _class_of(code: Code) -> int:
    if code.code == PROVISIONAL:
        return 6
    if code.counts_as_attendance:
        return int(code.code == "L")
    if code.code == "U":
        return 2
    return 3 + ("authorised", "unauthorised", "").index(code.absence_type)


#: Every canonical code that is a mark, the best first: present, late (L before U), absent with leave and without, not
#: possible to attend, and N. A code that no map knows comes after them all.
BEST: tuple[str, ...] = tuple(code.code for code in sorted(CODES, key=_class_of) if code.code != NO_MARK)


def order(best: Sequence[str]) -> tuple[str, ...]:
    """All codes, the best first, where a rule names some of them."""
    return (*best, *(code for code in BEST if code not in best))


def of_record(record: Mapping[str, Any]) -> LessonRule:
    """The rule of a record of `reference.lesson-rule.v1`."""
    return LessonRule(**{**record, **{name: tuple(record[name]) for name in ("am", "pm", "best")}})


def check(urn: int, rules: Sequence[LessonRule]) -> None:
    """Raises ValueError, naming the rule, when these must not be published for a school."""
    if not 0 < urn < 2**31:
        raise ValueError(f"{urn} is no URN")
    if len(rules) > _MOST_RULES:
        raise ValueError(f"a school has {len(rules)} rules; {_MOST_RULES} are the most")
    for place, rule in enumerate(rules, 1):
        _check_rule(rule, f'rule {place}, "{rule.name}"')
    in_order = sorted(rules, key=_first)
    for before, after in pairwise(in_order):
        if _first(after) <= (before.last_day or OPEN_END):
            raise ValueError(f'the rules "{before.name}" and "{after.name}" both hold on {_first(after)}')


def _check_rule(rule: LessonRule, where: str) -> None:
    if not _NAME.fullmatch(rule.name):
        raise ValueError(f"{where}: a name is 1 to 40 of a-z, 0-9 and _, and begins with a letter")
    if not rule.am and not rule.pm:
        raise ValueError(f"{where}: it names no lesson, neither of the morning nor of the afternoon")
    for window in (rule.am, rule.pm):
        if len(window) > _MOST_LESSONS:
            raise ValueError(f"{where}: a window has {len(window)} lessons; {_MOST_LESSONS} are the most")
        if strange := [lesson for lesson in window if not lesson.strip() or len(lesson) > _LONGEST]:
            raise ValueError(f"{where}: {strange[0]!r} is no name of a lesson: 1 to {_LONGEST} characters")
        if twice := [lesson for lesson in window if window.count(lesson) > 1]:
            raise ValueError(f"{where}: the lesson {twice[0]} is named twice")
    if strange := [code for code in rule.best if code not in BY_CODE or code == NO_MARK]:
        raise ValueError(f"{where}: {strange[0]!r} is no national code")
    if twice := [code for code in rule.best if rule.best.count(code) > 1]:
        raise ValueError(f"{where}: the code {twice[0]} is named twice")
    if _first(rule) > (rule.last_day or OPEN_END):
        raise ValueError(f"{where}: it ends before it begins")
    if _first(rule) < OPEN_START or (rule.last_day or OPEN_END) > OPEN_END:
        raise ValueError(f"{where}: its dates lie between {OPEN_START} and {OPEN_END}")


def _first(rule: LessonRule) -> date:
    return rule.first_day or OPEN_START
