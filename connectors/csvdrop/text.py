"""A file's bytes as text: in which encoding, told by a byte-order mark or by strict decoding of all of it.

- A mark at the beginning (UTF-8, UTF-16): that it is, and a byte that does not fit refuses the file.
- No mark: UTF-8 when every byte fits; else Windows-1252 when every byte fits and nothing in the file looks like UTF-8.
  A file that is partly the one and partly the other is refused: two exports were put together. The source's options may
  say which it is. A zero byte is UTF-16 without its mark, or no text at all: refused.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from connectors.csvdrop.unreadable import Unreadable

__all__ = ["Bytes", "Row", "as_text", "first_line", "look", "rows"]

_BLOCK = 1 << 20
#: A longer line is no line of a table: the file has no line ends that we know. In characters.
_LONGEST_LINE = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}
#: A character of more than one byte, as UTF-8 writes it. In Windows-1252 it would be two odd ones beside each other.
_UTF_8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


class Bytes(NamedTuple):
    """What the bytes of a file are. digest: SHA-256 of all of them."""

    encoding: str
    digest: str


class Row(NamedTuple):
    """A record of a file: the lines it stands on (from 1), and its fields or why they cannot be told apart."""

    line: int
    last_line: int
    fields: list[str]
    problem: str = ""


def look(file: BinaryIO, told: str | None) -> Bytes:
    """Read all of a file once and say what it is. told: the encoding of files without a mark, from the options.

    Raises Unreadable with the line that does not fit.
    """
    head = file.read(4)
    file.seek(0)
    marked = _marked(head)
    if head == codecs.BOM_UTF32_LE:
        raise Unreadable("it is UTF-32: save it as CSV UTF-8")
    digest = hashlib.sha256()
    first = marked or told or "utf-8"
    as_first = _Decoding(first)
    as_1252 = None if marked or told else _Decoding("cp1252")
    utf_8_line = 0
    lines, tail = 0, b""
    while block := file.read(_BLOCK):
        digest.update(block)
        as_first.add(block)
        if not marked and b"\0" in block:
            line = lines + block[: block.index(b"\0")].count(b"\n") + 1
            raise Unreadable(f"line {line} holds a zero byte: it is UTF-16 without its mark, or no text")
        if as_1252 is not None:
            as_1252.add(block)
            joined = tail + block
            if not utf_8_line and (found := _UTF_8.search(joined)):
                utf_8_line = lines + joined[: found.start()].count(b"\n") + 1
            # A character may be cut by the end of a block: its beginning is looked at again with the next one.
            tail = re.sub(rb".*\n", b"", block[-3:], flags=re.DOTALL)
        lines += block.count(b"\n")
    as_first.end()
    if not as_first.wrong_line:
        return Bytes(first, digest.hexdigest())
    if as_1252 is None:
        who = "its byte-order mark says" if marked else "the options say"
        raise Unreadable(f"line {as_first.wrong_line} is not {_NAMES[first]}, as {who}")
    if utf_8_line:
        raise Unreadable(
            f"line {as_first.wrong_line} is not UTF-8 and line {utf_8_line} is: it is put together of two encodings"
        )
    if as_1252.wrong_line:
        raise Unreadable(
            f"it is neither UTF-8 (line {as_first.wrong_line}) nor Windows-1252 (line {as_1252.wrong_line})"
        )
    return Bytes("cp1252", digest.hexdigest())


@contextmanager
def as_text(file: BinaryIO, encoding: str) -> Iterator[io.TextIOWrapper]:
    """The file from its beginning as text, line ends as they stand, a byte that does not fit being an error."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, errors="strict", newline="")
    try:
        yield text
    finally:
        text.detach()  # the file stays open for the next reading


def first_line(head: bytes) -> str:
    """The first line that the beginning of a file holds, as far as it can be read; its headings are plain letters."""
    text = head.decode(_marked(head) or "cp1252", errors="replace")
    return next(iter(text.splitlines()), "")


def rows(text: io.TextIOBase, separator: str) -> Iterator[Row]:
    """The records of a file, empty lines left out, never more than one of them held.

    A quotation mark where none may stand makes one record unreadable. Raises Unreadable for one that never closes, and
    for a line that has no end: nobody can say what else they hide.
    """
    reader = csv.reader(_lines(text), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "expected after" not in str(error):
                raise Unreadable(f"line {line} has a quotation mark that opens and never closes") from None
            yield Row(line, reader.line_num, [], "a quotation mark stands where none may")
            continue
        if any(field.strip() for field in fields):
            yield Row(line, reader.line_num, fields)


def _marked(head: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)


def _lines(text: io.TextIOBase) -> Iterator[str]:
    number = 0
    while line := text.readline(_LONGEST_LINE):
        number += 1
        if len(line) >= _LONGEST_LINE:
            raise Unreadable(f"line {number} does not end: it is no table, or has other line ends")
        yield line


class _Decoding:
    """Whether bytes can be decoded, and the line of the first that cannot (0: none so far)."""

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._lines = 0
        self.wrong_line = 0

    def add(self, block: bytes, final: bool = False) -> None:
        if self.wrong_line:
            return
        try:
            self._lines += self._decoder.decode(block, final).count("\n")
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            self.wrong_line = self._lines + before.count(b"\n") + 1

    def end(self) -> None:
        self.add(b"", final=True)
