"""SQL by name: the text of a file of `sinks/sql`, and a file's statements one by one.

Everything that asks ClickHouse something takes its SQL from here, so that no query is glued together in Python.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["load", "split"]


@cache
def load(name: str) -> str:
    """The text of `sinks/sql/<name>.sql`. Values go in as ClickHouse parameters: `{day:Date}`.

    Raises FileNotFoundError when there is no such file.
    """
    return (files("sinks") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def split(text: str) -> list[str]:
    """The statements of `text`, without comments and without the semicolons between them.

    A semicolon or a comment sign inside quotes ('', "", ``) belongs to the statement. Raises ValueError when a quote
    or a comment is still open at the end.
    """
    statements: list[str] = []
    current: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith("--", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            end = text.find("*/", at + 2)
            if end < 0:
                raise ValueError("a comment /* is not closed")
            current.append(" ")
            at = end + 2
        elif text[at] in "'\"`":
            end = _end_of_quote(text, at)
            current.append(text[at:end])
            at = end
        elif text[at] == ";":
            statements.append("".join(current).strip())
            current = []
            at += 1
        else:
            current.append(text[at])
            at += 1
    statements.append("".join(current).strip())
    return [statement for statement in statements if statement]


def _end_of_quote(text: str, start: int) -> int:
    """The place behind the quote that begins at `start`; a backslash or a doubled quote sign escapes."""
    sign, at = text[start], start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == sign:
            if not text.startswith(sign, at + 1):
                return at + 1
            at += 2
        else:
            at += 1
    raise ValueError(f"a quote {sign} is not closed")
