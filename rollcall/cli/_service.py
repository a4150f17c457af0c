"""What a command does first that then runs until it is told to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from rollcall import logging
from rollcall.settings import Settings

__all__ = ["begun"]


def begun(home: Path | None) -> tuple[Settings, threading.Event]:
    """The settings, logging as they say, and what is set when the service is told to stop (SIGTERM, Ctrl-C)."""
    settings = Settings.load(home=home) if home is not None else Settings.load()
    logging.configure(settings.observability.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return settings, stop
