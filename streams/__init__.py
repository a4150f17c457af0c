"""All that consumes from Kafka."""

from __future__ import annotations
