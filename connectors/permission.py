"""Whether a school still permits us, asked again and again while it is pulled (rule 27)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from connectors.contract import Source
from rollcall.errors import RollcallError

__all__ = ["NotPermitted", "Permission"]

T = TypeVar("T")

#: How often it is asked while a page is waited for (s).
_ASK_SECONDS = 0.5


class NotPermitted(RollcallError):  # noqa: N818 - a state of the school
    """The school may not be pulled any more; the message says why. The runner makes an outcome of it."""


class Permission:
    """why_not: why a school may not be pulled at this moment, None when it may. Raises ConfigError when nobody can say:
    then nothing is pulled either."""

    def __init__(self, why_not: Callable[[Source], str | None]) -> None:
        self._why_not = why_not

    def demand(self, source: Source) -> None:
        """Raises NotPermitted when the school may not be pulled now."""
        why_not = self._why_not(source)
        if why_not is not None:
            raise NotPermitted(why_not)

    async def during(self, source: Source, coming: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """What comes, one after the other: asked for only with permission, and given up in the middle of waiting when
        it is withdrawn. Raises NotPermitted then, and what `coming` raises. Closes `coming`."""
        async with aclosing(_closable(coming)):
            while True:
                self.demand(source)
                waiting = asyncio.ensure_future(_next_of(coming))
                try:
                    while not waiting.done():
                        await asyncio.wait({waiting}, timeout=_ASK_SECONDS)
                        self.demand(source)
                finally:
                    await _given_up(waiting)
                one = waiting.result()
                if one is None:
                    return
                yield one


async def _next_of(coming: AsyncIterator[T]) -> T | None:
    """The next, or None at the end."""
    return await anext(coming, None)


async def _given_up(waiting: asyncio.Future[Any]) -> None:
    """Cancelled if it still waits; its error, if it has one, counts as seen."""
    if not waiting.done():
        waiting.cancel()
        await asyncio.wait({waiting})
    if not waiting.cancelled():
        waiting.exception()


def _closable(coming: AsyncIterator[Any]) -> Any:
    return coming if hasattr(coming, "aclose") else _Nothing()


class _Nothing:
    async def aclose(self) -> None:
        """Nothing to close."""
