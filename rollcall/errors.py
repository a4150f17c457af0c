"""The errors Rollcall raises on purpose, each with a message a school's data manager can act on.

A message says what is wrong, with what (a topic, a file, a URN; never a pupil), and what to do next. The command line
prints it as one line and leaves with the class's exit code: 1 found a problem, 2 the command or a setting was wrong.
"""

from __future__ import annotations

__all__ = [
    "ClickHouseError",
    "ConfigError",
    "KafkaError",
    "LedgerError",
    "RollcallError",
    "SchemaError",
    "SourceError",
    "StackError",
    "UsageError",
]


class RollcallError(Exception):
    """Something a person has to know. Its message is one line and names no pupil."""

    exit_code = 1


class UsageError(RollcallError):
    """The command was asked for something it cannot mean (a date that is no date, an unknown shape)."""

    exit_code = 2


class ConfigError(RollcallError):
    """A setting is missing, unreadable or contradicts another one."""

    exit_code = 2


class StackError(RollcallError):
    """A part of the embedded stack cannot start, has died, or does not answer."""


class KafkaError(RollcallError):
    """Kafka refused something, lost something, or is away for longer than we may wait."""


class SchemaError(RollcallError):
    """A schema is not in the registry, cannot be read, or would break a reader of an earlier version."""


class ClickHouseError(RollcallError):
    """ClickHouse refused a statement or is away. `code` is ClickHouse's own error code, None when it did not answer."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class LedgerError(RollcallError):
    """The ledger and the world disagree (other bytes at an offset, offsets retention took): nothing may go on."""


class SourceError(RollcallError):
    """A source (an MIS, a file drop, a kiosk provider) refused us or sent what cannot be read."""
