"""Tells a story: what came, which command was given, what it printed. The page is made of nothing else."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from click.testing import Result

from tests.streams.rig import Rig

__all__ = ["Teller"]

#: What no two runs have alike: our numbers of pupils and deliveries, places on Kafka, the time of the run, folders.
_UNLIKE = (
    (re.compile(r"\b\d{16,20}\b"), "<number>"),
    (re.compile(r"(attendance\.\w+\.v1)/\d+/\d+"), r"\1/<partition>/<offset>"),
    (re.compile(r"\b20(?:2[6-9]|[3-9]\d)-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?(?:\.\d+)?"), "<now>"),
    (re.compile(r"/[\w./-]+/(\w+\.json)"), r"\1"),
)


class Teller:
    """One test's database with its worker, and the page as far as it is told."""

    def __init__(self, rig: Rig, run: Callable[..., Result], folder: Path) -> None:
        self.rig, self.folder = rig, folder
        self._run = run
        self._lines: list[str] = []

    def title(self, text: str) -> None:
        """A story begins."""
        self._lines += [f"## {text}", ""]

    def says(self, text: str) -> None:
        """A paragraph."""
        self._lines += [*textwrap.wrap(text, 120, break_on_hyphens=False), ""]

    def comes(self, text: str, *messages: dict[str, Any]) -> None:
        """A paragraph about messages, which are sent and taken in."""
        self.says(text)
        self.rig.done(*messages)

    def runs(self, *arguments: str, exit_code: int = 0) -> str:
        """A command as a person types it, with what it printed; returns that."""
        printed = self.hears(*arguments, exit_code=exit_code)
        lines = [_alike(line.rstrip()) for line in printed.splitlines()]
        typed = _alike(" ".join(_quoted(one) for one in arguments))
        self._lines += ["```console", f"$ rollcall {typed}", *_without_blank_ends(lines), "```", ""]
        return printed

    def hears(self, *arguments: str, exit_code: int = 0) -> str:
        """What a command prints, which the page does not tell."""
        result = self._run(*arguments)
        if result.exit_code != exit_code:
            raise AssertionError(f"rollcall {' '.join(arguments)}: {result.output}") from result.exception
        return result.stdout

    def page(self) -> str:
        """All that was told."""
        return "\n".join(self._lines)


def _alike(line: str) -> str:
    for what, stands_for_it in _UNLIKE:
        line = what.sub(stands_for_it, line)
    return line


def _quoted(argument: str) -> str:
    return f'"{argument}"' if re.search(r"[^\w@%+=:,./-]", argument) else argument


def _without_blank_ends(lines: Sequence[str]) -> list[str]:
    filled = [number for number, line in enumerate(lines) if line]
    return list(lines[filled[0] : filled[-1] + 1]) if filled else []
