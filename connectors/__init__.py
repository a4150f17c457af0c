"""All that puts events on Kafka."""

from __future__ import annotations
