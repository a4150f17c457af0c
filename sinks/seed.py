"""The fixed lists that the database keeps for its readers: what each finding means, and what holds until something else
is published: what each code counts as, and the rules between sources.

They belong to the version of Rollcall, not to a school, so `sinks.migrate.migrate` brings them up to date each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from rollcall.domain.categories import BUILT_IN as CATEGORIES
from rollcall.domain.clock import OPEN_END
from rollcall.domain.findings import EXCEPTIONS, QUARANTINE
from rollcall.domain.source_rules import BUILT_IN
from sinks.category_rows import rows_of
from sinks.reference_rows import TABLES
from sinks.source_rule_rows import FIRST_INSTANT
from sinks.statements import load

__all__ = ["seed"]

#: Of what nobody has published.
_AUTHOR, _REASON = "Rollcall", "built in"


def seed(client: Client) -> None:
    """Write the rows of `exception_kind` and `quarantine_kind`, and of version 0 of `code_category` and `source_rule`,
    that differ from this version's lists.

    Harmless when run twice, and by two processes at once (the tables keep one row per key).
    """
    names = TABLES["code_category"].names
    built_in = rows_of(CATEGORIES, 0, FIRST_INSTANT, _AUTHOR, _REASON)
    _bring_up_to_date(
        client,
        "code_category",
        [name for name in names if name != "published_at"],
        [tuple(said for name, said in zip(names, row, strict=True) if name != "published_at") for row in built_in],
    )
    _bring_up_to_date(
        client,
        "exception_kind",
        ("bit", "name", "what", "when_it_matters", "how_to_resolve"),
        [(bit, one.name, one.what, one.when_it_matters, one.how_to_resolve) for bit, one in enumerate(EXCEPTIONS)],
    )
    _bring_up_to_date(
        client,
        "quarantine_kind",
        ("name", "what", "when_it_matters", "how_to_resolve"),
        [(one.name, one.what, one.when_it_matters, one.how_to_resolve) for one in QUARANTINE],
    )
    _bring_up_to_date(
        client,
        "source_rule",
        (
            "version",
            "position",
            "name",
            "source_kind",
            "code_class",
            "precedence",
            "dates_mean",
            "last_day",
            "in_force",
            "author",
            "reason",
        ),
        [
            (
                0,
                position,
                rule.name,
                rule.source_kind or "",
                rule.code_class,
                rule.precedence,
                rule.dates_mean,
                OPEN_END,
                True,
                _AUTHOR,
                _REASON,
            )
            for position, rule in enumerate(BUILT_IN)
        ],
    )


def _bring_up_to_date(client: Client, table: str, columns: Sequence[str], wanted: Sequence[tuple[Any, ...]]) -> None:
    standing = set(map(tuple, client.query(load(f"seed_{table}")).result_rows))
    missing = [list(row) for row in wanted if row not in standing]
    if missing:
        client.insert(table, missing, column_names=columns, settings={"async_insert": 0})
