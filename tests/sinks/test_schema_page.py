"""docs/schema.md says what the migrations make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sinks.schema_page import page

_PAGE = Path(__file__).parents[2] / "docs" / "schema.md"


def test_the_page_is_what_the_migrations_make(clickhouse: Any) -> None:
    """If not: python -m sinks.schema_page docs/schema.md (with a stack up)."""
    assert _PAGE.read_text(encoding="utf-8") == page(clickhouse)


def test_every_view_is_on_the_page(clickhouse: Any) -> None:
    text = page(clickhouse)
    views = clickhouse.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'")
    assert all(f"\n### {name}\n" in text for (name,) in views.result_rows)
