"""Rules between sources (rules 10 and 17): which of two marks that stand counts. What a document may say.

A document is a list of rules. A mark's precedence is the greatest of the rules that it meets, 0 when it meets none; of
the marks that the sources have for a pupil and session the one of the greatest precedence counts, of equals the latest.
The order itself stands once, in sinks/sql/derive_current.sql; here is what makes a document one that may be published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.codes import BY_CODE, NO_MARK, PROVISIONAL

__all__ = [
    "BUILT_IN",
    "CODE_CLASSES",
    "DATES_MEAN",
    "KEY",
    "SOURCE_KINDS",
    "SourceRule",
    "check",
    "in_force",
    "of_record",
]

#: The key of the one document on its topic.
KEY = "source-rules"
#: Kinds of sources in the statutory basis; kiosks are in no rule (rule 17).
SOURCE_KINDS = ("register", "mis")
#: `definite` is a code of the map that is not N; `unmapped` is one that no map knows; `codes` are those listed.
CODE_CLASSES = ("any", "definite", "provisional", "unmapped", "codes")
#: What a rule's dates are of (rule 10): session dates, or the time from which it is known.
DATES_MEAN = ("session", "knowledge")
#: Most rules a document may hold: each costs the derive of a mark some nanoseconds.
_MOST = 1_000
_MOST_PRECEDENCE = 9_999
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: The canonical code of a mark whose raw code no map knows.
_UNMAPPED = ""
#: Stands for every source that no rule names.
_ANY_OTHER = "\0"
_FIRST_INSTANT = datetime(OPEN_START.year, OPEN_START.month, OPEN_START.day, tzinfo=UTC)


class SourceRule(NamedTuple):
    """One rule. It is met by marks of the school, source, kind and codes, and holds between its dates; None is any.

    `first_day` and `last_day` are session dates, both inclusive, where `dates_mean` is session; `begins_at` and
    `ends_at` (UTC, the end not included) where it is knowledge: the rule then holds for **all** session dates.
    """

    name: str
    precedence: int
    urn: int | None = None
    source: str | None = None
    source_kind: str | None = None
    code_class: str = "any"
    codes: tuple[str, ...] = ()
    dates_mean: str = "session"
    first_day: date | None = None
    last_day: date | None = None
    begins_at: datetime | None = None
    ends_at: datetime | None = None

    def holds_at(self, instant: datetime) -> bool:
        """Whether the rule is in force at an instant of knowledge; one whose dates are of sessions always is."""
        return (self.begins_at is None or self.begins_at <= instant) and (
            self.ends_at is None or instant < self.ends_at
        )

    def meets(self, source: str, source_kind: str, code: str, day: date) -> bool:
        """Whether a mark of a school that the rule is about meets it."""
        return (
            self.source in (None, source)
            and self.source_kind in (None, source_kind)
            and self._about(code)
            and (self.first_day or OPEN_START) <= day <= (self.last_day or OPEN_END)
        )

    def _about(self, code: str) -> bool:
        match self.code_class:
            case "definite":
                return code not in (PROVISIONAL, _UNMAPPED)
            case "provisional":
                return code == PROVISIONAL
            case "unmapped":
                return code == _UNMAPPED
            case "codes":
                return code in self.codes
            case _:
                return True


#: What holds until a document is published: definite before N and unmapped, then MIS before register, then the latest.
BUILT_IN: tuple[SourceRule, ...] = (
    SourceRule("mis_before_register", 30, source_kind="mis", code_class="definite"),
    SourceRule("definite_code", 20, code_class="definite"),
    SourceRule("mis_before_register", 10, source_kind="mis", code_class="provisional"),
    SourceRule("mis_before_register", 10, source_kind="mis", code_class="unmapped"),
)


def in_force(rules: Iterable[SourceRule], instant: datetime) -> tuple[bool, ...]:
    """Of each rule whether it is in force at an instant of knowledge."""
    return tuple(rule.holds_at(instant) for rule in rules)


def of_record(record: Mapping[str, Any]) -> SourceRule:
    """The rule of a record of `reference.source-rule.v1`."""
    return SourceRule(**{**record, "codes": tuple(record["codes"])})


def check(rules: Sequence[SourceRule]) -> None:
    """Raises ValueError, naming the rule, when a document must not be published.

    A rule that cannot be read as one; a kiosk; and a document by which, at any school, session date and instant, an N
    (or a code that no map knows) could stand before a definite mark of another source (rule 17).
    """
    if not rules:
        raise ValueError("the document has no rule at all")
    if len(rules) > _MOST:
        raise ValueError(f"the document has {len(rules)} rules; {_MOST} are the most")
    for place, rule in enumerate(rules, 1):
        _check_rule(rule, f'rule {place}, "{rule.name}"')
    for urn in dict.fromkeys([None, *(rule.urn for rule in rules)]):
        _check_definite_first([rule for rule in rules if rule.urn in (None, urn)], urn)


def _check_rule(rule: SourceRule, where: str) -> None:
    if not _NAME.fullmatch(rule.name) or rule.name == "latest":
        raise ValueError(
            f"{where}: a name is 1 to 40 of a-z, 0-9 and _, and not latest, which means that no rule chose"
        )
    if not 1 <= rule.precedence <= _MOST_PRECEDENCE:
        raise ValueError(f"{where}: precedence is a number from 1 to {_MOST_PRECEDENCE}")
    if rule.urn is not None and not 0 < rule.urn < 2**32:
        raise ValueError(f"{where}: {rule.urn} is no URN")
    if rule.source_kind == "kiosk":
        raise ValueError(f"{where}: a kiosk is in no rule; the statutory basis never sees it (rule 17)")
    if rule.source_kind is not None and rule.source_kind not in SOURCE_KINDS:
        raise ValueError(f"{where}: source_kind is register, mis or nothing, not {rule.source_kind}")
    if rule.code_class not in CODE_CLASSES:
        raise ValueError(f"{where}: codes are {', '.join(CODE_CLASSES[:-1])} or a list, not {rule.code_class}")
    if (rule.code_class == "codes") != bool(rule.codes):
        raise ValueError(f"{where}: a list of codes holds at least one, and only such a rule has it")
    if strange := [code for code in rule.codes if code not in BY_CODE or code == NO_MARK]:
        raise ValueError(f"{where}: {strange[0]!r} is no national code")
    if rule.dates_mean not in DATES_MEAN:
        raise ValueError(f"{where}: dates_mean is session or knowledge, not {rule.dates_mean}")
    days, instants = (rule.first_day, rule.last_day), (rule.begins_at, rule.ends_at)
    if any(instants if rule.dates_mean == "session" else days):
        raise ValueError(f"{where}: its dates are of {rule.dates_mean} time, and no others")
    if rule.first_day and rule.last_day and rule.last_day < rule.first_day:
        raise ValueError(f"{where}: it ends before it begins")
    if rule.begins_at and rule.ends_at and rule.ends_at <= rule.begins_at:
        raise ValueError(f"{where}: it ends before it begins")


def _check_definite_first(rules: Sequence[SourceRule], urn: int | None) -> None:
    """At one school (None: at those that no rule names): the least definite mark stands before every other."""
    sources = [_ANY_OTHER, *dict.fromkeys(rule.source for rule in rules if rule.source is not None)]
    marks = [(source, kind) for source in sources for kind in SOURCE_KINDS]
    definite = [code for rule in rules for code in rule.codes if code != PROVISIONAL]
    # A definite code that no rule lists, too: one that is none of them all.
    definite = [*dict.fromkeys(definite), "\0"]
    for instant in {_FIRST_INSTANT, *(at for rule in rules for at in (rule.begins_at, rule.ends_at) if at)}:
        holding = [rule for rule in rules if rule.holds_at(instant)]
        first_days = {rule.first_day for rule in holding if rule.first_day}
        after = {rule.last_day + timedelta(days=1) for rule in holding if rule.last_day and rule.last_day < OPEN_END}
        for day in sorted({OPEN_START, *first_days, *after}):
            least = min((_precedence(holding, *mark, code, day), mark) for mark in marks for code in definite)
            most = max(
                (_precedence(holding, *mark, code, day), mark, code)
                for mark in marks
                for code in (PROVISIONAL, _UNMAPPED)
            )
            if most[0] >= least[0]:
                raise ValueError(_complaint(holding, urn, day, least, most))


def _precedence(rules: Iterable[SourceRule], source: str, kind: str, code: str, day: date) -> int:
    return max((rule.precedence for rule in rules if rule.meets(source, kind, code, day)), default=0)


def _complaint(
    rules: Sequence[SourceRule], urn: int | None, day: date, least: tuple[int, tuple[str, str]],
    most: tuple[int, tuple[str, str], str],
) -> str:  # fmt: skip
    (low, (other, other_kind)), (high, (source, kind), code) = least, most
    said = "N" if code == PROVISIONAL else "a code that no map knows"
    met = [rule.name for rule in rules if rule.precedence == high and rule.meets(source, kind, code, day)]
    by = f'the rule "{met[0]}" (precedence {high})' if met else "that no rule meets it (precedence 0)"
    begins = f" from {day} on" if day > OPEN_START else ""
    at = f" at school {urn}" if urn else ""
    return (
        f"{by} would let {said} of {_called(source, kind)} stand before a definite mark of {_called(other, other_kind)}"
        f" (precedence {low}){at}{begins}; a definite mark always stands (rule 17): give definite codes the greater"
        " precedence"
    )


def _called(source: str, kind: str) -> str:
    """A source in words."""
    what = "an MIS" if kind == "mis" else "a register"
    return what if source == _ANY_OTHER else f"{what} ({source})"
