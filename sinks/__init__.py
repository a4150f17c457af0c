"""All that writes to ClickHouse."""

from __future__ import annotations
