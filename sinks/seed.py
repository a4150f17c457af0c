"""The fixed lists that the database keeps for its readers."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

__all__ = ["seed"]


def seed(client: Client) -> None:
    """Bring the fixed lists up to date."""
