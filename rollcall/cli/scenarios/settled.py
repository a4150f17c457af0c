"""When everything is taken in, and stays so while the judge looks: the loader sends entries of quarantine again by
itself, and what it chose a moment ago may come at any moment.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from rollcall.cli.scenarios.ground import Gauge, Taken
from rollcall.cli.scenarios.processes import Command
from rollcall.settings import Settings
from streams.healing import Healing

__all__ = ["settle", "still"]


def settle(
    settings: Settings,
    client: Any,
    gauge: Gauge,
    timeout: float,
    check: Callable[[], None] = lambda: None,
    tell: Callable[[Taken], None] = lambda _: None,
) -> None:
    """Wait until the workers that run have taken everything, and nothing in quarantine is left that a sweep of the
    loader would send again later. `check` and `tell`: as `Gauge.drain` has them; `timeout` (s) is of each round.
    """
    with closing(Healing(settings, client)) as healing:
        while True:
            sent = healing.sweep().entries
            gauge.drain(timeout, check, tell)
            if not sent:
                return


@contextmanager
def still(loader: Command) -> Iterator[None]:
    """The loader stands still until the block ends: it sends nothing, and goes on where it was."""
    loader.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        loader.signal(signal.SIGCONT)
