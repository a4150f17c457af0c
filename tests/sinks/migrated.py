"""Tables as a migration fills them, in a database that has what they are made of already."""

from __future__ import annotations

from typing import Any

from sinks.migrate import committed
from sinks.statements import split


def filled_anew(client: Any, table: str) -> None:
    """Empty a table, and run the one statement of all migrations that fills it."""
    (insert,) = (
        statement
        for migration in committed()
        for statement in split(migration.text)
        if statement.split()[:3] == ["INSERT", "INTO", table]
    )
    client.command(f"TRUNCATE TABLE {table} SYNC")
    client.command(insert)
