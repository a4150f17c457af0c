"""A document of categories as rows of `code_category`, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rollcall.domain.categories import CATEGORIES, CategoryRow, applies_from, of_record
from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.codes import BY_CODE

__all__ = ["of_message", "row_of", "rows_of"]


def rows_of(
    rows: Sequence[CategoryRow], version: int, published_at: datetime, author: str, reason: str
) -> list[tuple[Any, ...]]:
    """Rows in the order of the table's columns (sinks/reference_rows.py)."""
    return [
        (
            row.code, row.label or BY_CODE[row.code].label, row.category, *CATEGORIES[row.category],
            row.valid_from or OPEN_START, row.valid_to or OPEN_END, BY_CODE[row.code].dfe_column, version, first,
            published_at, author, reason,
        )
        for row, first in applies_from(rows)
    ]  # fmt: skip


def of_message(record: Mapping[str, Any], version: int, published_at: datetime) -> list[tuple[Any, ...]]:
    """Rows of a message of `reference.code-category.v1`."""
    rows = [of_record(row) for row in record["rows"]]
    return rows_of(rows, version, published_at, record["author"], record["reason"])


def row_of(row: Mapping[str, Any]) -> CategoryRow:
    """What a row of the table says."""
    first, last = row["valid_from"], row["valid_to"]
    return CategoryRow(
        row["canonical_code"], row["category"], None if first == OPEN_START else first,
        None if last == OPEN_END else last, row["label"],
    )  # fmt: skip
