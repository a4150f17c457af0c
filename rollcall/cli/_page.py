"""docs/cli.md, written from the help of the commands themselves.

python -m rollcall.cli._page docs/cli.md
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import typer

from rollcall.cli.app import build

__all__ = ["page"]

_HEAD = """# The command line

Written by `python -m rollcall.cli._page docs/cli.md` from the commands' own help; do not edit by hand.

From a checkout the command is `.venv/bin/rollcall`. Every setting may be given as an environment variable; `rollcall
config` lists them all with the value in force and where it came from. Exit codes: 0 done; 1 found a problem, which is
printed; 2 usage. What a person reads goes to standard output, progress and errors to standard error; `--json` prints
one JSON document. An error that Rollcall knows is one line; with `ROLLCALL_DEBUG` set it is a traceback.
"""


_WORDS = {str: "text", int: "number", float: "number", Path: "path", datetime: "date"}


def page() -> str:
    """The whole page. Commands stand in the order of `rollcall --help`, groups with their commands behind them."""
    commands = list(_commands(typer.main.get_command(build()), ("rollcall",)))
    index = "\n".join(
        f"| [`{name}`](#{name.replace(' ', '-')}) | {_first_sentence(command)} |" for name, command in commands
    )
    body = "\n".join(_section(name, command) for name, command in commands)
    return f"{_HEAD}\n| command | what it is for |\n|---|---|\n{index}\n\n{body}"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        if command.invoke_without_command:  # a command of its own, with others behind it
            yield " ".join(path), command
        for name, one in command.commands.items():
            yield from _commands(one, (*path, name))
    else:
        yield " ".join(path), command


def _section(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    named = [f" {one.metavar or one.name.upper()}" for one in arguments]
    lines = [f"## {name}", "", f"`{name} [OPTIONS]{''.join(named)}`", "", _text(command.help), ""]
    rows = [_row(one) for one in command.params if not getattr(one, "hidden", False) and one.name != "help"]
    if rows:
        lines += ["| option | meaning | default |", "|---|---|---|", *rows, ""]
    if command.epilog:
        lines += [_text(command.epilog), ""]
    return "\n".join(lines)


def _row(param: Any) -> str:
    if param.param_type_name == "argument":
        name = f"`{param.metavar or param.name.upper()}`"
    else:
        flags = ", ".join(f"`{flag}`" for flag in (*param.opts, *param.secondary_opts))
        kind = "" if param.is_flag else f" {_kind(param)}"
        name = f"{flags}{kind}"
    meaning = _text(param.help or "")
    if getattr(param, "envvar", None):
        meaning += f" Or `{param.envvar}`."
    if param.required and param.param_type_name == "option":
        meaning += " Needed."
    return f"| {name} | {_cell(meaning)} | {_cell(_default(param))} |"


def _kind(param: Any) -> str:
    """What goes behind an option: its metavar, or the word for its type, as often as it is wanted."""
    annotation = param.type_descriptor.annotation
    inner = get_args(annotation) or (annotation,)
    words = [param.metavar or _WORDS[one] for one in inner]
    return f"{' '.join(words)}{', repeatable' if param.multiple else ''}"


def _default(param: Any) -> str:
    if isinstance(param.show_default, str):
        return param.show_default
    if param.default is None or param.default in (False, (), []) or callable(param.default):
        return ""
    if param.is_flag:
        return str(param.opts[0])
    return str(param.default)


def _first_sentence(command: Any) -> str:
    return _cell(re.split(r"(?<=[.?!]) ", _text(command.help).replace("\n", " "))[0])


def _text(text: str | None) -> str:
    """A docstring or an epilog as Markdown: paragraphs in one line each, bold commands as code."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text or "").replace("\f", ""))
    joined = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return re.sub(r"\[bold\](.*?)\[/bold\]", r"`\1`", joined)


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
