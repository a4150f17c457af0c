"""The embedded stack: real Kafka, a schema registry and the real ClickHouse engine as child processes of one folder.

Everything else takes the three URLs and cannot tell the difference from production (docs/design.md, "One path").
"""

from __future__ import annotations

from rollcall.stack.embedded import EmbeddedStack, ServiceStatus, StackStatus, StackUrls
from rollcall.stack.services import StackOptions

__all__ = ["EmbeddedStack", "ServiceStatus", "StackOptions", "StackStatus", "StackUrls"]
