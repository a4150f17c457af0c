"""Logs: one JSON object a line, with the place in the stream, never pupil data.

`configure` is called once, at the edge. Everybody else: `log = structlog.get_logger()`, then
`log.info("batch_done", topic=..., partition=..., first=..., batch=...)`: the event is a name, the rest are fields.

A field that could name a pupil or tell a pupil's mark is taken out before anything is written, wherever it stands, and
the line says which (`withheld`), so that a slip shows without leaking. An exception is logged by its class and where it
was raised: only messages of our own errors are kept, because a library's message may quote the data it choked on.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TextIO, cast
from uuid import UUID

import structlog

from rollcall.errors import RollcallError

__all__ = ["FORBIDDEN", "configure", "quiet_librdkafka", "withhold_pupil_data"]

#: Fields that name a pupil, or tell what a pupil's mark is. Design: logs hold neither.
FORBIDDEN = frozenset(
    {
        "amendment",
        "canonical_code",
        "code",
        "codes",
        "comment",
        "comments",
        "date_of_birth",
        "dob",
        "first_name",
        "forename",
        "full_name",
        "last_name",
        "mark",
        "message_value",
        "minutes_late",
        "name",
        "names",
        "notes",
        "person_ref",
        "pupil",
        "pupil_id",
        "pupil_ids",
        "pupil_ref",
        "pupil_refs",
        "raw_code",
        "raw_codes",
        "record_id",
        "surname",
        "upn",
        "upns",
    }
)

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _StandardError:
    """Standard error as it is when a line is written, so that whoever closes another one closes nothing of ours."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Log from `level` up as JSON lines to `stream` (standard error when None). A second call replaces the first.

    Lines of libraries that use the standard library's logging come out in the same form, from `warning` up, without
    their arguments (they may be data): the message template and the logger's name are kept.
    """
    out = stream if stream is not None else _StandardError()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            _name_the_exception,
            withhold_pupil_data,
            structlog.processors.JSONRenderer(default=_printable, ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, out)),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _FromLibraries):
            root.removeHandler(handler)
    root.addHandler(_FromLibraries())


def withhold_pupil_data(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out every field of `FORBIDDEN`, at any depth, and every raw byte string; name them in `withheld`."""
    withheld: set[str] = set()
    clean = {key: _clean(value, withheld) for key, value in event.items() if _allowed(key, value, withheld)}
    if withheld:
        clean["withheld"] = sorted(withheld)
    return clean


def _allowed(key: object, value: object, withheld: set[str]) -> bool:
    if str(key).lower() in FORBIDDEN or isinstance(value, bytes | bytearray | memoryview):
        withheld.add(str(key))
        return False
    return True


def _clean(value: Any, withheld: set[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _clean(one, withheld) for key, one in value.items() if _allowed(key, one, withheld)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_clean(one, withheld) for one in value if _allowed("bytes", one, withheld)]
    return value


def _name_the_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        if isinstance(error, RollcallError):
            event["message"] = str(error)
        event["raised_at"] = [
            f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-6:]
        ]
    return event


def _printable(value: Any) -> Any:
    """What JSON has no form for is named by its type: a repr could quote a frame of marks."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    if isinstance(value, UUID):
        return str(value)
    return f"<{type(value).__name__}>"


class _FromLibraries(logging.Handler):
    """Brings the warnings of libraries into our form, without the arguments of their messages."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            min(record.levelno, logging.ERROR), "library", logger=record.name, template=str(record.msg)
        )


def quiet_librdkafka() -> logging.Logger:
    """The `logger` for confluent-kafka clients: librdkafka's own lines are no JSON, name hosts and repeat themselves.

    What matters of them reaches the caller as an error, and is logged here once.
    """
    logger = logging.getLogger("rollcall.librdkafka")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
