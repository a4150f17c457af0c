"""The fixed lists that the database keeps for its readers: what each code counts as, what each finding means, and the
rules between sources that hold until others are published.

They belong to the version of Rollcall, not to a school, so `sinks.migrate.migrate` brings them up to date each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.codes import CODES
from rollcall.domain.findings import EXCEPTIONS, QUARANTINE
from rollcall.domain.source_rules import BUILT_IN
from sinks.statements import load

__all__ = ["seed"]


def seed(client: Client) -> None:
    """Write the rows of `code_category`, `exception_kind`, `quarantine_kind` and version 0 of `source_rule` that differ
    from this version's lists.

    Harmless when run twice, and by two processes at once (the tables keep one row per key).
    """
    _bring_up_to_date(
        client,
        "code_category",
        (
            "canonical_code",
            "label",
            "category",
            "in_possible_sessions",
            "counts_as_attendance",
            "absence_type",
            "valid_from",
            "valid_to",
            "dfe_column",
        ),
        [
            (
                code.code,
                code.label,
                code.category,
                code.in_possible_sessions,
                code.counts_as_attendance,
                code.absence_type,
                code.valid_from or OPEN_START,
                code.valid_to or OPEN_END,
                code.dfe_column,
            )
            for code in CODES
        ],
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
                "Rollcall",
                "built in",
            )
            for position, rule in enumerate(BUILT_IN)
        ],
    )


def _bring_up_to_date(client: Client, table: str, columns: Sequence[str], wanted: Sequence[tuple[Any, ...]]) -> None:
    standing = set(map(tuple, client.query(load(f"seed_{table}")).result_rows))
    missing = [list(row) for row in wanted if row not in standing]
    if missing:
        client.insert(table, missing, column_names=columns, settings={"async_insert": 0})
