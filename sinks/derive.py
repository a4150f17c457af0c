"""Derive: current state out of the history, for the keys that batches touched. The rule: sinks/sql/derive_*.sql.

Derive may run twice, late, or beside another worker's: a derived row's version grows with what it has seen, and each
writer derives after its own insert became visible, so the row that has seen most wins whoever writes last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xxhash
from clickhouse_connect.driver.client import Client

from sinks.statements import load

__all__ = ["counts_expression", "current_expression", "derive", "rederive"]

#: Threads a derive may use: two cores are what a worker's machine has to give.
# Without optimize_on_insert a block is written as it is instead of being collapsed first: our blocks hold a key once or
# nearly so, merges and FINAL collapse anyway, and it is a third of the insert's CPU (docs/performance.md).
_SETTINGS = {"max_threads": 2, "async_insert": 0, "optimize_on_insert": 0}


def current_expression(assertions: str) -> str:
    """The SELECT that gives mark_current out of ``assertions`` (like mark_assertion FINAL, in parentheses)."""
    return load("derive_current").replace("{assertions}", assertions)


def counts_expression(current: str, before: str) -> str:
    """The SELECT that gives school_session out of ``current`` and ``before`` (a school_session)."""
    return load("derive_counts").replace("{current}", current).replace("{before}", before)


def _touched_current(client: Client, parameters: dict[str, list[int]]) -> str:
    """The SELECT that gives mark_current for touched keys: one assertion stands as it is, several go by the rule.

    Mostly no touched key has several assertions; then nothing needs to be left out. One that gets its second row just
    after being asked about makes two rows here, and its own batch, derived later, has seen both and wins.
    """
    several = load("derive_several")
    alone = load("derive_alone")
    asked = load("derive_several_count").replace("{several}", several)
    if not client.query(asked, parameters=parameters, settings=_SETTINGS).result_rows[0][0]:
        return alone.replace("{except_several}", "")
    left_out = f"AND bitXor(pupil_id, toUInt64(session)) NOT IN (SELECT key FROM {several})"
    by_the_rule = current_expression(load("derive_touched_assertions").replace("{several}", several))
    return f"{alone.replace('{except_several}', left_out)}\nUNION ALL\n{by_the_rule}"


def derive(client: Client, batches: Sequence[int], between: Callable[[], None] = lambda: None) -> None:
    """Derive mark_current, then school_session, for the keys of ``batches``. ``between`` runs between the two."""
    parameters = {"batches": list(batches)}
    client.command(
        "INSERT INTO mark_current (session_date, urn, session, pupil_id, source, source_kind, raw_code, canonical_code,"
        " minutes_late, is_mark, asserted_at, exceptions, year_group, in_scope, sources, disagree,"
        " event_id, derived_version) "
        + _touched_current(client, parameters),
        parameters=parameters, settings=_SETTINGS,
    )  # fmt: skip
    between()
    client.command(
        "INSERT INTO school_session (session_date, urn, session, in_scope, year_group, canonical_code, marks,"
        " derived_version) "
        + counts_expression(load("derive_touched_current"), load("derive_touched_before")),
        parameters=parameters, settings=_SETTINGS,
    )  # fmt: skip


def rederive(client: Client, schemes: Sequence[str] = ()) -> int:
    """Derive again the current marks whose code means something else since the latest map of its scheme.

    ``schemes``: those that were published; all when empty. Returns how many session dates were derived. Date by date,
    so that a year of marks needs no more memory than a day. Safe to repeat, and to be killed: what is left carries an
    older map's version and is found again. A worker that was deriving while the map was published may still write rows
    of the older map, so whoever publishes runs this once more when such a derive must be over.
    """
    version = int(client.query(load("rederive_version")).result_rows[0][0])
    asked = {"version": version, "schemes": list(schemes)}
    days = [row[0] for row in client.query(load("rederive_days"), parameters=asked).result_rows]
    for day in days:
        batch = xxhash.xxh3_64_intdigest(f"code-map|{version}|{day.isoformat()}".encode())
        client.command(
            load("rederive_touch"),
            parameters={**asked, "batch": batch, "day": day.isoformat()},
            settings={**_SETTINGS, "insert_deduplicate": 0},
        )
        derive(client, [batch])
    return len(days)
