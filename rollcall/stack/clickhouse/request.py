"""What a client asks for: the parts of ClickHouse's HTTP interface that clients really use."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from urllib.parse import parse_qsl, urlsplit

from rollcall.stack.clickhouse.errors import QueryError

__all__ = ["InsertHead", "Request", "insert_head", "multipart_fields", "statement_kind", "trailing_format"]

#: URL parameters that steer the transport; every other one is a setting of the query.
TRANSPORT = frozenset(
    (
        "query",
        "database",
        "user",
        "password",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "quota_key",
        "compress",
        "decompress",
        "wait_end_of_query",
        "client_protocol_version",
        "role",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "enable_http_compression",
        "default_format",
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
    )
)

_BLANK = rb"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_KIND = re.compile(_BLANK + rb"\(*" + _BLANK + rb"([A-Za-z]+)", re.S)
_NAME = rb"(?:`[^`]+`|\"[^\"]+\"|\w+)"
_COLUMNS = rb"\((?:[^()'\"`]|\"[^\"]*\"|`[^`]*`)*\)"
_SETTING = rb"\w+\s*=\s*(?:'[^']*'|[\w.\-]+)"
#: INSERT INTO target [SETTINGS ...] FORMAT name, then the data. The target is a name, maybe with columns.
_INSERT = re.compile(
    _BLANK
    + rb"INSERT\s+INTO\s+(?:TABLE\s+)?"
    + rb"(?P<target>" + _NAME + rb"(?:\s*\.\s*" + _NAME + rb")?\s*(?:" + _COLUMNS + rb")?)\s*"
    + rb"(?:SETTINGS\s+(?P<settings>" + _SETTING + rb"(?:\s*,\s*" + _SETTING + rb")*)\s+)?"
    + rb"\bFORMAT\s+(?P<format>\w+)(?:[ \t]*(?:;|\r?\n|$)|[ \t]+)",
    re.I | re.S,
)  # fmt: skip
_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*$", re.I)
#: Kinds of statement that read only: they may be cancelled when their client is gone.
READING = frozenset(("SELECT", "WITH", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "EXISTS"))


@dataclass
class Request:
    """One call without its body."""

    parameters: dict[str, str]
    user: str = "default"
    password: str = ""
    database: str = ""
    readonly: bool = False
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def read(cls, method: str, target: str, headers: Message | Mapping[str, str]) -> Request:
        """Read the request line and headers. A GET may not change anything, as on a ClickHouse server."""
        parameters = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        request = cls(parameters, readonly=method == "GET")
        request.user = headers.get("X-ClickHouse-User") or parameters.get("user") or "default"
        request.password = headers.get("X-ClickHouse-Key") or parameters.get("password") or ""
        scheme, _, secret = (headers.get("Authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                request.user, _, request.password = base64.b64decode(secret).decode().partition(":")
            except ValueError as error:
                raise QueryError.of(516, "AUTHENTICATION_FAILED", "The Authorization header is not Basic.") from error
        request.database = headers.get("X-ClickHouse-Database") or parameters.get("database") or ""
        request.query_id = parameters.get("query_id") or request.query_id
        if parameters.get("decompress") == "1" or parameters.get("compress") == "1":
            raise QueryError.of(
                48, "NOT_IMPLEMENTED", "ClickHouse's own block compression is not served here; use Content-Encoding."
            )
        return request

    @property
    def settings(self) -> dict[str, str]:
        """Query settings, in the order they came."""
        return {k: v for k, v in self.parameters.items() if k not in TRANSPORT and not k.startswith("param_")}

    @property
    def bindings(self) -> dict[str, str]:
        """Values of `{name:Type}` placeholders, escaped as the HTTP interface has them."""
        return {k.removeprefix("param_"): v for k, v in self.parameters.items() if k.startswith("param_")}

    @property
    def session(self) -> str | None:
        return self.parameters.get("session_id") or None

    @property
    def default_format(self) -> str:
        return self.parameters.get("default_format") or "TabSeparated"

    @property
    def wait_for_end(self) -> bool:
        return self.parameters.get("wait_end_of_query") == "1"

    @property
    def compress(self) -> bool:
        return self.parameters.get("enable_http_compression") == "1"


@dataclass(frozen=True)
class InsertHead:
    """The statement of an insert whose data follows: where to, in which format, and where the data starts."""

    target: str
    format: str
    settings: str
    length: int


def insert_head(sql: bytes) -> InsertHead | None:
    """The head of `INSERT INTO t [(columns)] [SETTINGS ...] FORMAT f`, or None for any other statement."""
    found = _INSERT.match(sql)
    if found is None:
        return None
    settings = (found["settings"] or b"").decode()
    return InsertHead(found["target"].decode().strip(), found["format"].decode(), settings, found.end())


def statement_kind(sql: bytes) -> str:
    """The first word of a statement in capitals, comments and parentheses skipped."""
    found = _KIND.match(sql)
    return found[1].decode().upper() if found else ""


def trailing_format(sql: bytes) -> tuple[bytes, str | None]:
    """The statement without its closing FORMAT clause, and that format."""
    found = _FORMAT.search(sql)
    return (sql[: found.start()], found[1].decode()) if found else (sql, None)


def multipart_fields(content_type: str, body: bytes) -> dict[str, str]:
    """The text fields of a multipart/form-data body. Files (external data) are refused with code 48."""
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, str] = {}
    for part in message.get_payload() if message.is_multipart() else ():
        if not isinstance(part, Message):
            continue
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None:
            raise QueryError.of(48, "NOT_IMPLEMENTED", "External data is not served here; insert into a table instead.")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content.decode()
    return fields
