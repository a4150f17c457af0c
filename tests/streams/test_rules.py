"""Rules between sources as data (rules 10 and 17): what a document changes, when, and that nothing else changes."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from rollcall.domain.clock import now, to_the_millisecond
from rollcall.domain.source_rules import BUILT_IN, SourceRule, check
from sinks import reference
from sinks.derive import derive_current, latest_publication, rederive_rules
from sinks.source_rules import documents, latest, next_turn, turn, what_would_change
from sinks.verify import verify
from tests.reference.conftest import applied
from tests.streams.messages import DAY, OTHER_URN, Here, at, mark, page, record, register
from tests.streams.rig import Rig

#: The documents of this file, each later than the one before it.
_times = itertools.count()


def document(*rules: SourceRule) -> dict[str, Any]:
    """The built-in rules and these, as a message."""
    return {
        "published_at": at(next(_times)),
        "author": "data manager",
        "reason": "test",
        "rules": [{**rule._asdict(), "codes": list(rule.codes)} for rule in (*BUILT_IN, *rules)],
    }


def published(rig: Rig, *rules: SourceRule) -> int:
    """Bring a document in force, as the loader does; returns how many session dates were derived again."""
    check([*BUILT_IN, *rules])
    reference.apply(rig.client, [applied("source-rule", document(*rules))])
    return rederive_rules(rig.client)


def counting(rig: Rig) -> dict[tuple[date, str], tuple[str, str]]:
    """(date, session) -> (source, code) that counts, of a pupil for each."""
    rows = rig.here(
        "SELECT session_date, toString(session), source, canonical_code FROM mark_current FINAL WHERE urn ="
    )
    return {(day, session): (source, code) for day, session, source, code in rows}


def marks_of(rig: Rig) -> dict[str, int]:
    """Code -> marks of the day. A code that only counted between two of the messages, which may or may not have been
    one batch, stands at zero or not at all: no matter here.
    """
    return {code: marks for (_, code), marks in rig.counts(Here.urn).items() if marks}


def lost(rig: Rig) -> set[tuple[str, str, int]]:
    """(code that lost, rule, version of the rules) of the conflicts."""
    return set(rig.here("SELECT loser_canonical_code, rule, rule_version FROM marks_conflicting WHERE urn ="))


def test_until_one_is_published_the_built_in_document_is_shown(rig: Rig) -> None:
    (found,) = documents(rig.client)
    assert (found.version, found.rules, found.in_force, found.built_in) == (0, BUILT_IN, (True,) * 4, True)
    assert next_turn(rig.client) is None
    assert rederive_rules(rig.client) == 0


def test_a_document_chooses_at_its_school_alone_and_the_loser_is_told_why(working: Rig) -> None:
    working.done(
        register(mark("P0", "/"), mark("P1", "N")),
        page(record("a", "P0", "I"), record("b", "P1", "L"), taken_at=at(1)),
        register(mark("P0", "/"), urn=OTHER_URN),
        page(record("c", "P0", "I"), urn=OTHER_URN),
    )
    elsewhere = working.client.query(f"SELECT * FROM mark_current FINAL WHERE urn = {OTHER_URN}").result_rows
    first = SourceRule("register_is_right", 40, urn=Here.urn, source_kind="register", code_class="definite")
    assert published(working, first) == 1
    version = latest(working.client).version
    assert lost(working) == {("I", "register_is_right", version), ("N", "definite_code", version)}
    assert marks_of(working) == {"/": 1, "L": 1}
    assert working.client.query(f"SELECT * FROM mark_current FINAL WHERE urn = {OTHER_URN}").result_rows == elsewhere
    assert rederive_rules(working.client) == 0
    assert verify(working.client).equal
    assert published(working) == 1, "a document without the rule takes it back"
    assert {(code, rule) for code, rule, _ in lost(working)} == {("/", "mis_before_register"), ("N", "definite_code")}
    assert marks_of(working) == {"I": 1, "L": 1}
    assert verify(working.client).equal


def test_marks_that_come_after_a_document_are_chosen_by_it(working: Rig) -> None:
    published(working, SourceRule("old_mis", 50, urn=Here.urn, source="old-mis", code_class="definite"))
    working.done(page(record("a", "P0", "/")), page(record("b", "P0", "I"), source="old-mis", taken_at=at(-60)))
    assert working.current()[Here.urn, "P0", "AM"] == ("old-mis", "I", "I")
    assert {rule for _, rule, _ in lost(working)} == {"old_mis"}
    assert rederive_rules(working.client) == 0


def test_a_rule_of_session_dates_holds_between_them_both_inclusive(working: Rig) -> None:
    days = [DAY + timedelta(days=n) for n in range(4)]
    for day in days:
        working.done(
            register(mark("P0", "/"), session_date=day), page(record(f"r{day}", "P0", "I", session_date=day))
        )  # fmt: skip
    rule = SourceRule(
        "register_is_right", 60, urn=Here.urn, source="classroom", code_class="codes", codes=("/", "L"),
        first_day=days[1], last_day=days[2],
    )  # fmt: skip
    published(working, rule)
    found = counting(working)
    assert [found[day, "AM"][0] for day in days] == ["mis", "classroom", "classroom", "mis"]
    assert verify(working.client).equal


def test_a_new_mis_is_the_system_of_record_from_its_instant_for_all_session_dates_rule_10(working: Rig) -> None:
    days = [DAY, DAY + timedelta(days=1)]
    for day in days:
        working.done(
            page(record(f"o{day}", "P0", "/", session_date=day), source="old-mis", taken_at=at(90)),
            page(record(f"n{day}", "P0", "I", session_date=day), source="new-mis"),
        )
    instant = to_the_millisecond(now() + timedelta(days=30))
    rule = SourceRule(
        "new_mis", 70, urn=Here.urn, source="new-mis", code_class="definite", dates_mean="knowledge", begins_at=instant
    )
    published(working, rule)
    assert next_turn(working.client) == instant
    assert turn(working.client, instant - timedelta(seconds=1)) is False
    assert {source for source, _ in counting(working).values()} == {"old-mis"}
    assert turn(working.client, instant) is True
    assert turn(working.client, instant) is False
    assert rederive_rules(working.client) == 2
    assert counting(working) == {(day, "AM"): ("new-mis", "I") for day in days}
    assert next_turn(working.client) is None
    before, after = documents(working.client)[-2:]
    assert (before.published_at, before.rules) == (after.published_at, after.rules)
    assert (before.in_force[-1], after.in_force[-1]) == (False, True)
    assert verify(working.client).equal


def test_the_dry_run_says_what_publishing_then_does_and_writes_nothing(working: Rig) -> None:
    working.done(
        register(*(mark(f"P{n}", "/") for n in range(3)), mark("P3", "N")),
        page(*(record(f"r{n}", f"P{n}", "I") for n in range(4)), record("r5", "P5", "I"), taken_at=at(1)),
    )
    rule = SourceRule("register_is_right", 80, urn=Here.urn, source_kind="register", code_class="definite")
    before = counting(working)
    told = what_would_change(working.client, [*BUILT_IN, rule], now(), DAY)
    assert [change for change in told if change.urn == Here.urn] == [(DAY, Here.urn, "mis", "I", "classroom", "/", 3)]
    assert counting(working) == before
    published(working, rule)
    assert marks_of(working) == {"/": 3, "I": 2}
    assert what_would_change(working.client, [*BUILT_IN, rule], now(), DAY) == []


def test_a_derive_that_began_before_a_document_does_not_overrule_one_that_has_seen_it(working: Rig) -> None:
    working.done(register(mark("P0", "/")), page(record("a", "P0", "I")))
    where = f"FROM mark_current FINAL WHERE urn = {Here.urn}"
    stale = working.client.query_arrow(f"SELECT * {where}", use_strings=True)
    published(working, SourceRule("register_is_right", 90, urn=Here.urn, source_kind="register", code_class="definite"))
    working.client.insert_arrow("mark_current", stale)
    assert working.current()[Here.urn, "P0", "AM"] == ("classroom", "/", "/")


def test_a_derive_that_a_document_overtook_does_not_claim_to_have_seen_it(working: Rig) -> None:
    """It asked for the latest publication, then a document came: its row is older than that, and is found."""
    working.done(register(mark("P0", "/")), page(record("a", "P0", "I")))
    _, seen = latest_publication(working.client)
    published(working, SourceRule("overtaken", 95, urn=Here.urn, source_kind="register", code_class="definite"))
    working.client.command(f"DELETE FROM mark_current WHERE urn = {Here.urn}")
    batches = [row[0] for row in working.here("SELECT DISTINCT batch FROM touched WHERE urn =")]
    derive_current(working.client, batches, (), seen)
    assert rederive_rules(working.client) == 1
    assert rederive_rules(working.client) == 0
    assert verify(working.client).equal


#: Rules of every kind at once. Precedence is given so that no N and no unmapped code stands before a definite one.
_MANY = (
    SourceRule("one_source", 45, source="second-room", code_class="definite"),
    SourceRule("some_codes", 47, source_kind="register", code_class="codes", codes=("I", "M")),
    SourceRule("n_of_registers", 12, source_kind="register", code_class="provisional"),
    SourceRule("unmapped_first", 15, source="classroom", code_class="unmapped"),
    SourceRule("summer", 49, source_kind="mis", code_class="definite", last_day=date(2025, 8, 31)),
    SourceRule("of_another_school", 99, urn=999_999, source_kind="register", code_class="definite"),
)


#: Of these derive asks a shorter statement: none is of a school, a source, listed codes or days.
_GENERAL = (
    SourceRule("registers_first", 60, source_kind="register", code_class="definite"),
    SourceRule("whatever_it_says", 5),
    SourceRule("n_of_registers", 12, source_kind="register", code_class="provisional"),
)


@pytest.mark.parametrize("more", [(), _GENERAL, _MANY], ids=["built in", "general", "many"])
def test_the_sql_chooses_as_the_rules_say_in_plain_python(working: Rig, more: tuple[SourceRule, ...]) -> None:
    """Three sources and all kinds of codes about every pupil; `SourceRule.meets` is the judge."""
    rules = [*BUILT_IN, *more]
    if more:
        published(working, *more)
    kinds = {"classroom": "register", "second-room": "register", "mis": "mis"}
    ages = {"classroom": 0, "second-room": 1, "mis": -30}
    codes = {"/": "/", "N": "N", "QQ": "", "I": "I"}
    said = dict(zip((f"P{n}" for n in range(30)), itertools.product(codes, repeat=3), strict=False))
    for number, source in enumerate(("classroom", "second-room")):
        marks = [mark(ref, three[number]) for ref, three in said.items()]
        working.done(register(*marks, source=source, submitted_at=at(ages[source])))
    working.done(page(*(record(f"r{ref}", ref, three[2]) for ref, three in said.items()), taken_at=at(ages["mis"])))

    def met(source: str, raw: str) -> dict[int, str]:
        of_it = [r for r in rules if r.urn in (None, Here.urn) and r.meets(source, kinds[source], codes[raw], DAY)]
        return {r.precedence: r.name for r in of_it}

    def rank(source: str, raw: str) -> tuple[int, int]:
        return max(met(source, raw), default=0), ages[source]

    def why(winner: tuple[str, str], loser: tuple[str, str]) -> str:
        outranking = [precedence for precedence in met(*winner) if precedence > rank(*loser)[0]]
        return met(*winner)[min(outranking)] if outranking else "latest"

    expected = {
        ref: max(zip(kinds, three, strict=True), key=lambda one: rank(*one)) for ref, three in said.items()
    }  # fmt: skip
    found = {ref: (source, raw) for (urn, ref, _), (source, raw, _) in working.current().items() if urn == Here.urn}
    assert found == expected
    losers = Counter(
        (codes[other[1]], why(expected[ref], other))
        for ref, three in said.items()
        for other in zip(kinds, three, strict=True)
        if codes[other[1]] != codes[expected[ref][1]]
    )
    assert Counter(working.here("SELECT loser_canonical_code, rule FROM marks_conflicting WHERE urn =")) == losers
    assert verify(working.client).equal


def _at(day: int) -> datetime:
    return at(day * 24 * 60)


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ([SourceRule("mis_is_right", 40, source_kind="mis")], 'the rule "mis_is_right" .* would let N'),
        ([SourceRule("n_counts", 25, urn=1, source="a", code_class="codes", codes=("N",))], "n_counts.* at school 1"),
        ([SourceRule("guess", 25, code_class="unmapped")], "a code that no map knows"),
        ([SourceRule("later", 40, source="a", first_day=DAY)], f"from {DAY} on"),
        ([SourceRule("later", 40, source="a", dates_mean="knowledge", begins_at=_at(3), ends_at=_at(4))], "later"),
        ([SourceRule("desk", 40, source_kind="kiosk", code_class="definite")], "the statutory basis never sees it"),
        ([SourceRule("latest", 40, code_class="definite")], "no rule chose"),
        ([SourceRule("ok", 0, code_class="definite")], "precedence is a number"),
        ([SourceRule("ok", 40, code_class="codes", codes=("QQ",))], "'QQ' is no national code"),
        ([SourceRule("ok", 40, code_class="definite", first_day=DAY, last_day=date(2025, 9, 1))], "ends before"),
        ([SourceRule("ok", 40, code_class="definite", first_day=DAY, dates_mean="knowledge")], "knowledge time"),
    ],
)
def test_a_document_that_must_not_be_is_refused_with_the_rule_named(rules: list[SourceRule], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check([*BUILT_IN, *rules])


def test_a_document_without_the_rule_that_puts_definite_codes_first_is_refused() -> None:
    with pytest.raises(ValueError, match=r"precedence 0\) would let N .* definite codes the greater precedence"):
        check([SourceRule("mis_before_register", 10, source_kind="mis", code_class="definite")])
