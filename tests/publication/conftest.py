"""Published figures are met by the worker and the loader of tests/streams."""

from __future__ import annotations

from tests.streams.conftest import kernels_compiled, rig, shared, topics_made, working

__all__ = ["kernels_compiled", "rig", "shared", "topics_made", "working"]
