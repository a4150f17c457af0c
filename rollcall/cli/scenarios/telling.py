"""How a long run shows itself: bars at a terminal, lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

__all__ = ["Bars"]


class Bars:
    """One line a part: at a terminal a bar that moves, in a log what was done and how long it took."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console, self._quiet = console, quiet
        self._moving = console.is_terminal and not quiet
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), BarColumn(bar_width=16),
            TextColumn("{task.fields[amount]:>14}"), TimeElapsedColumn(), console=console, disable=not self._moving,
        )  # fmt: skip
        self._task: TaskID | None = None
        self._what, self._began, self._amount = "", time.monotonic(), 0

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over(whole=kind is None)
        self._progress.stop()

    def step(self, what: str) -> None:
        """The part before is over, this one begins."""
        self._over()
        self._what, self._began, self._amount = what, time.monotonic(), 0
        if self._moving:
            self._task = self._progress.add_task(what, total=None, amount="")

    def amount(self, done: int, total: int | None = None) -> None:
        """How far the part is."""
        self._amount = done
        if self._task is not None:
            text = f"{done:,}" if total in (None, done) else f"{done:,} of {total:,}"
            self._progress.update(self._task, completed=done, total=total, amount=text)

    def _over(self, whole: bool = True) -> None:
        if not self._what or not whole:
            return
        if self._task is not None:
            done = self._amount or 1
            self._progress.update(self._task, completed=done, total=done)
        elif not self._quiet:
            amount = f": {self._amount:,}" if self._amount else ""
            self._console.print(f"{self._what}{amount} ({time.monotonic() - self._began:.1f} s)", highlight=False)
        self._what = ""
