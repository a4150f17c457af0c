"""The reference loader at work beside a test's worker."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator

from sinks.clickhouse import connect
from streams.reference import Loader
from tests.streams.rig import PATIENCE_S, Rig

__all__ = ["loader"]


@contextlib.contextmanager
def loader(rig: Rig) -> Iterator[None]:
    """As `rollcall reference run`, until the block ends."""
    stop = threading.Event()
    running = Loader(rig.settings, connect(rig.settings.clickhouse), group=f"test-{uuid.uuid4().hex}")
    thread = threading.Thread(target=running.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
