"""Derive: current state out of the history, for the keys that batches touched. The rule: sinks/sql/derive_*.sql.

The first mark of a pupil and session is in mark_current with its history (sinks/migrations/0015_alone.sql). What comes
after it, what is recovered and what a code map, rules or an alias change is derived here; the counts always are.

Derive may run twice, late, or beside another worker's: a derived row's version grows with what it has seen, and each
writer derives after its own insert became visible, so the row that has seen most wins whoever writes last.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import xxhash
from clickhouse_connect.driver.client import Client

from sinks.source_rule_rows import General, general
from sinks.statements import load

__all__ = [
    "counts_expression", "current_expression", "derive", "derive_counts", "derive_current", "derive_lives",
    "derive_scattered", "in_use", "latest_publication", "of_lessons", "of_what_is_said", "rederive", "rederive_aliases",
    "rederive_lessons", "rederive_rules", "stale_expression",
]  # fmt: skip

#: Threads a derive may use: two cores are what a worker's machine has to give.
# Without optimize_on_insert a block is written as it is instead of being collapsed first: our blocks hold a key once or
# nearly so, merges and FINAL collapse anyway, and it is a third of the insert's CPU (docs/performance.md).
# A condition on keys is asked before FINAL merges: half the CPU of counts, as a granule holds more than a session.
_SETTINGS = {"max_threads": 2, "async_insert": 0, "optimize_on_insert": 0, "optimize_move_to_prewhere_if_final": 1}
#: Schools that a statement names one by one; of more it asks for all.
_NAMED_AT_ONCE = 1_000
#: What reference data changes may come back to what it was: the same rows once more are no repeat.
_AGAIN = {**_SETTINGS, "insert_deduplicate": 0}
#: Counts stand behind: marks on their way in, and questions, go first on a machine that has no core to spare (Linux's
#: nice value; a server without CAP_SYS_NICE passes it over).
_BEHIND = {"os_threads_nice_value_query": 10}


def current_expression(
    assertions: str, reasserted: str | None, rules: str | General | None = None, wanted: str = "true",
    publication: str = "0", code_map: str | None = None, linked: bool = True, lessons: str | None = None,
    lesson_rules: str | None = None,
) -> str:  # fmt: skip
    """The SELECT that gives mark_current out of ``assertions`` (like mark_assertion FINAL, in parentheses).

    What is said of days on which the URN was not open does not stand (rule 12). ``reasserted``: a condition on the rows
    of mark_reassertion that concern the assertions; None where none does. ``rules``: an expression for the rules
    between sources, or those in force where they are general; those in force when None. ``wanted``: which of the pupils
    that aliases link are to be given; all, when ``assertions`` holds all of theirs. ``publication``: see the file.
    ``code_map``: what raw codes mean, in parentheses; as the maps in force say when None. ``linked``: False where no
    alias concerns the assertions, which then come out the same for less. ``lessons``: the marks of lessons (like
    period_current FINAL, in parentheses) where a school has, or once had, a rule by which a session's mark follows from
    them (rule 7); None where none has. ``lesson_rules``: those rules, in parentheses; those in force when None.
    """
    meanings = load("code_map_in_force") if code_map is None else code_map

    def counting(marks: str) -> str:
        existing = load("derive_existing").replace("{assertions}", marks)
        whose = load("derive_linked" if linked else "derive_own")
        return whose.replace("{assertions}", existing).replace("{wanted}", wanted)

    if reasserted is not None:
        said_again = load("derive_said_again").replace("{asked}", reasserted)
        of_sessions = said_again.replace("{of}", "period = ''").replace("{and_lesson}", "")
        assertions = of_sessions.replace("{assertions}", assertions)
        if lessons is not None:
            at_lessons = said_again.replace("{of}", "period != ''").replace(
                "{and_lesson}", " AND b.period = g.of_period"
            )
            lessons = at_lessons.replace("{assertions}", lessons)
    current = load("derive_current").replace("{counting}", counting(assertions)).replace("{choosing}", _choosing(rules))
    if lessons is not None:
        current = (
            load("derive_from_lessons")
            .replace("{current}", current)
            .replace("{counting}", counting(lessons))
            .replace("{lesson_rules}", load("lesson_rules_in_force") if lesson_rules is None else lesson_rules)
        )
    return current.replace("{code_map}", meanings).replace("{publication}", publication)


def _choosing(rules: str | General | None) -> str:
    """What derive_current.sql chooses by."""
    if not isinstance(rules, General):
        return load("derive_by_rules").replace("{rules}", load("source_rules_in_force") if rules is None else rules)
    named = ", ".join(str(met) for met in rules.named)
    return (
        load("derive_by_general_rules")
        .replace("{general}", f"CAST({rules.precedence} AS Array(UInt16))")
        .replace("{named}", f"CAST([{named}] AS Array(Array(Tuple(UInt16, String))))")
    )


def of_lessons(assertions: str) -> str:
    """The same choice among the marks of lessons as ``assertions`` is among those of sessions."""
    return assertions.replace("FROM mark_assertion FINAL", "FROM period_current FINAL")


def counts_expression(current: str, before: str) -> str:
    """The SELECT that gives school_session out of ``current`` and ``before`` (a school_session)."""
    return load("derive_counts").replace("{current}", current).replace("{before}", before)


def fill_current(
    client: Client, expression: str, parameters: dict[str, Any], settings: dict[str, Any], into: str = "mark_current"
) -> None:
    """Insert what `current_expression` gives into mark_current, or a table like it."""
    client.command(
        f"INSERT INTO {into} (session_date, urn, session, pupil_id, source, source_kind, raw_code, canonical_code,"
        " minutes_late, is_mark, asserted_at, exceptions, year_group, in_scope, sources, disagree,"
        " losers, event_id, derived_version) " + expression,
        parameters=parameters, settings=settings,
    )  # fmt: skip


def fill_counts(
    client: Client, expression: str, parameters: dict[str, Any], settings: dict[str, Any], into: str = "school_session"
) -> None:
    """Insert what `counts_expression` gives into school_session, or a table like it."""
    client.command(
        f"INSERT INTO {into} (session_date, urn, session, in_scope, year_group, canonical_code, marks,"
        " derived_version) " + expression,
        parameters=parameters, settings=settings,
    )  # fmt: skip


class InUse(NamedTuple):
    """What `current_expression` may leave out, where it is not in use at all."""

    linked: bool
    from_lessons: bool
    #: The rules between sources where they are general; None where not all are.
    rules: General | None


def in_use(client: Client) -> InUse:
    """Whether there are aliases, rules for lessons, and rules between sources that are not general."""
    statement = load("derive_in_use").replace("{rules}", load("source_rules_in_force"))
    ((linked, from_lessons, rules),) = client.query(statement).result_rows
    return InUse(bool(linked), bool(from_lessons), general(rules))


def latest_publication(client: Client) -> tuple[int, int]:
    """(version of the latest code map, number of the latest publication of any kind): before a derive, what it sees."""
    ((code_map, publication),) = client.query(load("rederive_version")).result_rows
    return int(code_map), int(publication)


def derive_current(
    client: Client, batches: Sequence[int], whole: Sequence[int] = (), publication: int | None = None,
    again: bool = False,
) -> None:  # fmt: skip
    """Derive mark_current for the keys of ``batches``, but for marks that came alone: those stand already.

    ``whole``: those of ``batches`` of which all keys are derived, for what stands was mapped by an older code map.
    ``publication``: the latest that this derive is sure to see; asked for when None. ``again``: the marks may be what
    they once were.
    """
    if publication is None:
        _, publication = latest_publication(client)
    keys = {"batches": list(batches), "whole": list(whole)}
    # After the publication is known: an alias published from here on is later than what the rows claim to have seen.
    said_again = load("derive_touched_reasserted")
    concerned = load("derive_touched_concerned").replace("{asked}", said_again)
    concerned = concerned.replace("{rules}", load("source_rules_in_force"))
    ((linked, at_lessons, decided, rules),) = client.query(concerned, parameters=keys).result_rows
    named = load("derive_touched_named") if linked else ""
    assertions = load("derive_touched_assertions").replace("{or_named}", named)
    expression = current_expression(
        assertions, said_again if decided else None, general(rules),
        wanted=load("derive_touched_wanted"), publication="{publication:UInt64}", linked=linked > 0,
        lessons=of_lessons(assertions) if at_lessons else None,
    )  # fmt: skip
    fill_current(client, expression, {**keys, "publication": publication}, _AGAIN if again else _SETTINGS)


def derive_counts(client: Client, batches: Sequence[int], again: bool = False) -> None:
    """Derive school_session for the sessions that ``batches`` touched; their mark_current is derived before."""
    fill_counts(
        client, counts_expression(load("derive_touched_current"), load("derive_touched_before")),
        {"batches": list(batches)}, {**(_AGAIN if again else _SETTINGS), **_BEHIND},
    )  # fmt: skip


def derive(client: Client, batches: Sequence[int]) -> None:
    """Derive mark_current, then school_session, for ``batches``."""
    derive_current(client, batches)
    derive_counts(client, batches)


def derive_scattered(client: Client) -> int:
    """Derive by the rule what several workers may each have taken for the first mark; returns how many keys.

    A school's messages belong in one partition (the number its key gives, on every topic), and then one worker sees
    them all. A sender with another partitioner, or a topic that was given more partitions, scatters them.
    """
    batch = xxhash.xxh3_64_intdigest(f"scattered|{time.time_ns()}".encode())
    client.command(load("derive_scattered_touch"), parameters={"batch": batch}, settings=_SETTINGS)
    keys = int(client.query(load("derive_touched_count"), parameters={"batch": batch}).result_rows[0][0])
    if keys:
        derive(client, [batch])
    return keys


def derive_lives(client: Client, urns: Sequence[int] = ()) -> int:
    """Derive again what does not follow the days on which its school was open, as they are known now (rule 12).

    ``urns``: schools whose days may have changed; all when empty. Returns how many session dates were derived, date by
    date as in `rederive`. Safe to repeat, and to be killed: what is left is found again. A worker may know the days of
    a moment ago, so whoever publishes them runs this once more.
    """
    keys = load("lives_keys")
    asked = {"urns": sorted(set(urns)) if len(urns) <= _NAMED_AT_ONCE else []}
    days = client.query(load("lives_days").replace("{keys}", keys), parameters={**asked, "day": None}).result_rows
    for (day,) in days:
        batch = xxhash.xxh3_64_intdigest(f"lives|{time.time_ns()}|{day.isoformat()}".encode())
        client.command(
            load("lives_touch").replace("{keys}", keys),
            parameters={**asked, "batch": batch, "day": day.isoformat()},
            settings=_AGAIN,
        )
        derive_current(client, [batch], again=True)
        derive_counts(client, [batch], again=True)
    return len(days)


def rederive(client: Client, schemes: Sequence[str] = ()) -> int:
    """Derive again the current marks that are older than the map which last changed what their code means.

    ``schemes``: those that were published; all when empty. Returns how many session dates were derived. Date by date,
    so that a year of marks needs no more memory than a day. Safe to repeat, and to be killed: what is left carries an
    older map's version and is found again. A worker that was deriving while the map was published may still write rows
    of the older map, so whoever publishes runs this once more when such a derive must be over.
    """
    asked = {"schemes": list(schemes)}
    changes = load("rederive_changes")
    days = client.query(of_what_is_said("rederive_days").replace("{changes}", changes), parameters=asked).result_rows
    touch = load("rederive_touch").replace("{stale}", stale_expression())
    return sum(_derive_touched(client, f"code-map|{time.time_ns()}", day, touch, asked) for (day,) in days)


def rederive_rules(client: Client) -> int:
    """Derive again the current marks that a change of the rules between sources may touch and that are older than it.

    As `rederive`: date by date, safe to repeat and to be killed. Returns how many session dates were derived.
    """
    changes = [tuple(row) for row in client.query(load("source_rule_changes")).result_rows]
    if not changes:
        return 0
    asked = {
        "changes": [(urn, str(first), str(last), version) for urn, first, last, version in changes],
        "first_day": str(min(first for _, first, _, _ in changes)),
        "last_day": str(max(last for _, _, last, _ in changes)),
    }
    days = [row[0] for row in client.query(load("rederive_rules_days"), parameters=asked).result_rows]
    version = max(version for *_, version in changes)
    for day in days:
        _derive_touched(client, f"source-rule|{version}", day, load("rederive_rules_touch"), asked)
    return len(days)


def rederive_aliases(client: Client) -> int:
    """Derive again the pupils whom an alias of any version concerns and who are older than it. As `rederive`."""
    concerned = client.query(load("pupil_alias_numbers")).result_rows
    if not concerned:
        return 0
    pupils, numbers = (list(column) for column in zip(*concerned, strict=True))
    asked = {"pupils": pupils, "numbers": numbers}
    days = [row[0] for row in client.query(of_what_is_said("rederive_aliases_days"), parameters=asked).result_rows]
    touch = of_what_is_said("rederive_aliases_touch")
    for day in days:
        _derive_touched(client, f"pupil-alias|{max(numbers)}", day, touch, asked)
    return len(days)


def rederive_lessons(client: Client) -> int:
    """Derive again the sessions with lessons that a change of their school's rule may touch (rule 7). As `rederive`.

    Also what came about the time at which a rule was applied: workers may not have heard of it.
    """
    changes = [tuple(row) for row in client.query(load("lesson_rule_changes")).result_rows]
    if not changes:
        return 0
    keys = load("rederive_lessons_keys")
    asked = {
        "changes": [(urn, str(first), str(last), number, applied) for urn, first, last, number, applied in changes],
        "urns": sorted({change[0] for change in changes}), "earliest": min(change[4] for change in changes),
    }  # fmt: skip
    statement = load("rederive_lessons_days").replace("{keys}", keys)
    days = [row[0] for row in client.query(statement, parameters={**asked, "day": None}).result_rows]
    touch = load("rederive_lessons_touch").replace("{keys}", keys)
    for day in days:
        _derive_touched(client, f"lesson-rule|{time.time_ns()}", day, touch, asked)
    return len(days)


def stale_expression() -> str:
    """The keys of one date (`day`) that were derived before their code last changed its meaning (`schemes`)."""
    return of_what_is_said("rederive_stale").replace("{changes}", load("rederive_changes"))


def of_what_is_said(name: str) -> str:
    """A statement of what was said of pupils and sessions, in lessons too where they may decide (said.sql)."""
    return load(name).replace("{said}", load("said"))


def _derive_touched(client: Client, why: str, day: date, touch: str, asked: dict[str, Any]) -> bool:
    """Put keys of a date on the work list by the statement ``touch``, and derive them; whether there were any."""
    batch = xxhash.xxh3_64_intdigest(f"{why}|{day.isoformat()}".encode())
    client.command(
        touch,
        parameters={**asked, "batch": batch, "day": day.isoformat()},
        settings={**_SETTINGS, "insert_deduplicate": 0},
    )
    if not client.query(load("derive_touched_count"), parameters={"batch": batch}).result_rows[0][0]:
        return False
    derive(client, [batch])
    return True
