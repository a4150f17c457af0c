"""ClickHouse's errors as its HTTP interface shows them: a code, a text that starts with it, a status."""

from __future__ import annotations

import re

__all__ = ["QueryError", "from_engine"]

_CODE = re.compile(r"Code: (\d+)\.")

#: ClickHouse's code -> HTTP status, where it is not 500 (ClickHouse, src/Server/HTTP/exceptionCodeToHTTPStatus.cpp).
_STATUS = {
    **dict.fromkeys((6, 26, 27, 38, 41, 43, 44, 53, 62, 63, 69, 72, 117, 131, 457), 400),
    **dict.fromkeys((164, 192, 193, 497, 516), 403),
    **dict.fromkeys((46, 47, 50, 51, 55, 56, 57, 58, 60, 61, 81, 82, 83, 115), 404),
    159: 408,
    48: 501,
    202: 503,
}
#: UNKNOWN_EXCEPTION: the engine said something without a code.
_UNKNOWN = 1002


class QueryError(Exception):
    """A statement failed. `text` is what a client shows, `code` ClickHouse's error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text

    @classmethod
    def of(cls, code: int, name: str, message: str) -> QueryError:
        """An error of the front itself, worded as the engine words its own."""
        return cls(code, f"Code: {code}. DB::Exception: {message} ({name})")

    @property
    def name(self) -> str:
        """The name of the code, such as UNKNOWN_TABLE; empty when the text has none."""
        found = re.findall(r"\(([A-Z][A-Z0-9_]{2,})\)", self.text)
        return str(found[-1]) if found else ""

    @property
    def status(self) -> int:
        return _STATUS.get(self.code, 500)


def from_engine(error: Exception) -> QueryError:
    """The engine's exception as a QueryError; chDB may put words of its own before `Code: N.`."""
    text = str(error)
    found = _CODE.search(text)
    if found is None:
        return QueryError(_UNKNOWN, f"Code: {_UNKNOWN}. DB::Exception: {text} (UNKNOWN_EXCEPTION)")
    return QueryError(int(found[1]), text[found.start() :])
