"""Bytes in and out: request bodies as they arrive, decompressed; response bodies compressed as asked."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from typing import Protocol

import lz4.frame  # type: ignore[import-untyped]
import zstandard

from rollcall.stack.clickhouse.errors import QueryError

__all__ = ["Compressor", "body_chunks", "compressor_for", "decompressed", "memory_file"]

#: How much of a body is moved at once (bytes).
CHUNK = 1024 * 1024


class _Decompressor(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


def body_chunks(stream: BufferedIOBase, length: int | None, chunked: bool) -> Iterator[memoryview]:
    """The raw body piece by piece. A piece is overwritten when the next one is asked for.

    Raises ConnectionError when the client goes before its body is complete.
    """
    buffer = memoryview(bytearray(CHUNK))
    if not chunked:
        yield from _exactly(stream, length or 0, buffer)
        return
    while True:
        size = int(stream.readline(64).split(b";")[0] or b"x", 16)
        yield from _exactly(stream, size, buffer)
        if stream.readline(1024) not in (b"\r\n", b"\n"):
            raise ConnectionError("broken chunk")
        if size == 0:
            return


def _exactly(stream: BufferedIOBase, length: int, buffer: memoryview) -> Iterator[memoryview]:
    while length:
        count = stream.readinto(buffer[: min(length, len(buffer))])
        if not count:
            raise ConnectionError("client went away")
        length -= count
        yield buffer[:count]


def decompressed(chunks: Iterator[memoryview], encoding: str) -> Iterator[bytes | memoryview]:
    """The body as sent before Content-Encoding was applied."""
    if encoding in ("", "identity"):
        return chunks
    makers: dict[str, Callable[[], _Decompressor]] = {
        "lz4": lz4.frame.LZ4FrameDecompressor,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
        "gzip": lambda: zlib.decompressobj(wbits=31),
        "deflate": zlib.decompressobj,
    }
    if encoding not in makers:
        raise QueryError.of(
            48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding} is not served; use {', '.join(makers)}."
        )
    return _inflate(chunks, makers[encoding](), encoding)


def _inflate(chunks: Iterator[memoryview], decompressor: _Decompressor, encoding: str) -> Iterator[bytes]:
    try:
        for chunk in chunks:
            if piece := decompressor.decompress(bytes(chunk)):
                yield piece
    except (RuntimeError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise QueryError.of(354, "ZLIB_INFLATE_FAILED", f"The body is not valid {encoding}: {error}.") from error


def memory_file(chunks: Iterator[bytes | memoryview]) -> int:
    """Write a body to an anonymous file in memory as it arrives and return its descriptor, which the caller closes."""
    descriptor = os.memfd_create("insert", os.MFD_CLOEXEC)
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(descriptor, view) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class Compressor:
    """Compresses one response: `chunk` as often as needed, then `end` once."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._head = b""
        self.chunk: Callable[[bytes], bytes] = bytes
        self._flush: Callable[[], bytes] = bytes
        if encoding == "lz4":
            frame = lz4.frame.LZ4FrameCompressor()
            self._head, self.chunk, self._flush = frame.begin(), frame.compress, frame.flush
        elif encoding == "zstd":
            stream = zstandard.ZstdCompressor(level=1).compressobj()
            self.chunk, self._flush = stream.compress, stream.flush
        elif encoding == "gzip":
            deflate = zlib.compressobj(1, wbits=31)
            self.chunk, self._flush = deflate.compress, deflate.flush

    def start(self) -> bytes:
        return self._head

    def end(self) -> bytes:
        return self._flush()

    def whole(self, body: bytes) -> bytes:
        return self.start() + self.chunk(body) + self.end()


def compressor_for(accept_encoding: str) -> Compressor:
    """The cheapest compression the client can read: on one machine time is dearer than bytes."""
    offered = {re.split(r"\s*;", item.strip())[0] for item in accept_encoding.split(",")}
    return Compressor(next((name for name in ("lz4", "zstd", "gzip") if name in offered), ""))
