"""SQL by name: the text of a file of `sinks/sql`, and a file's statements one by one.

Everything that asks ClickHouse something takes its SQL from here, so that no query is glued together in Python.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["load", "split"]


#: What a statement is read in. A quote's sign in it is doubled, or has a backslash before it.
_PIECE = re.compile(
    r"""(?P<line>--[^\n]*) | (?P<block>/\*.*?\*/)
    | '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.|"")*+" | `(?:[^`\\]|\\.|``)*+`
    | (?P<end>;) | (?P<open>/\*|['"`]) | [^-/'"`;]+ | [-/]""",
    re.S | re.X,
)


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
    statements: list[list[str]] = [[]]
    for piece in _PIECE.finditer(text):
        if piece.lastgroup == "open":
            sign = piece["open"]
            raise ValueError("a comment /* is not closed" if sign == "/*" else f"a quote {sign} is not closed")
        if piece.lastgroup == "end":
            statements.append([])
        elif piece.lastgroup != "line":
            statements[-1].append(" " if piece.lastgroup == "block" else piece[0])
    found = ("".join(pieces).strip() for pieces in statements)
    return [statement for statement in found if statement]
