"""One pull of a made source as a process of its own, for tests that kill it.

python -m tests.connectors.pull_child FACTORY ARGUMENTS FOLDER KAFKA REGISTRY [PAGES [FIRST_DAY LAST_DAY]]

Prints the pull's outcome; with PAGES it prints "stopped" when so many pages are on Kafka and the next is about to be
handed over ("3"), or as soon as they are ("3+"), and waits there to be killed. With days it pulls that window.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from connectors.contract import Connector, Window
from connectors.encoding import Encoder
from connectors.http import Patience
from connectors.publisher import Publisher
from connectors.refused import RefusedFolder
from connectors.runner import Runner
from connectors.state import StateFolder

__all__ = ["QUICK", "connector_of"]

#: Trouble is waited out quickly: four tries in all, and half a second of silence is one.
QUICK = Patience(first_seconds=0.01, longest_seconds=0.05, tries=4, answer_seconds=0.5)


def connector_of(factory: str, arguments: Mapping[str, Any]) -> tuple[Connector, Callable[[], Awaitable[None]]]:
    """The connector that "module:function" makes of its arguments, and what closes it."""
    module, _, function = factory.partition(":")
    connector, close = getattr(import_module(module), function)(**arguments)
    return connector, close


class _Stops(Publisher):
    """Waits for ever before it hands over the page after the last one allowed, or at once when that one is there."""

    left: int
    at_once: bool

    async def deliver(self, topic: str, key: bytes | None, value: bytes | None) -> Any:
        if not self.left:
            await self._stop()
        self.left -= 1
        delivered = await super().deliver(topic, key, value)
        if not self.left and self.at_once:
            await self._stop()
        return delivered

    async def _stop(self) -> None:
        print("stopped", flush=True)  # noqa: T201 - what the parent waits for
        await asyncio.Event().wait()


async def _pull(
    factory: str,
    arguments: Mapping[str, Any],
    folder: Path,
    kafka: str,
    registry: str,
    pages: str = "",
    *window: str,
) -> str:
    connector, close = connector_of(factory, arguments)
    with _Stops({"bootstrap.servers": kafka}) as publisher:
        publisher.left = int(pages.rstrip("+")) if pages else sys.maxsize
        publisher.at_once = pages.endswith("+")
        runner = Runner(
            connector, publisher, Encoder(registry), StateFolder(folder / "state"), RefusedFolder(folder / "refused")
        )
        bounded = Window(*(date.fromisoformat(day) for day in window)) if window else None
        (pulled,) = await runner.round(await connector.discover(), window=bounded, what="marks")
        await close()
        return pulled.outcome


if __name__ == "__main__":
    made, given, home, *rest = sys.argv[1:]
    outcome = asyncio.run(_pull(made, json.loads(given), Path(home), *rest))
    print(outcome)  # noqa: T201 - what the parent reads
