"""The registry over HTTP: `python -m rollcall.stack.registry.server PORT LOGFILE`.

The routes are the ones Confluent's serializers, ClickHouse's AvroConfluent format and people with curl call.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rollcall.stack.home import HOST
from rollcall.stack.registry.registry import Registry, RegistryError, read_schema

__all__ = ["RegistryServer", "serve"]

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
#: A schema is a few kB; a body above this (bytes) is a mistake.
MAX_BODY = 4 * 1024 * 1024


class _Request:
    """One call: path parts, query flags and the JSON body."""

    def __init__(self, method: str, target: str, body: Any) -> None:
        url = urlsplit(target)
        self.method = method
        self.path = [unquote(part) for part in url.path.strip("/").split("/") if part]
        self.query = dict(parse_qsl(url.query))
        self.body: dict[str, Any] = body if isinstance(body, dict) else {}

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() == "true"


class _Text(str):
    """An answer that is JSON text already (a bare schema)."""


def answer(registry: Registry, request: _Request) -> Any:
    """The JSON answer of a call, or RegistryError."""
    routes: dict[str, Callable[[Registry, _Request], Any]] = {
        "subjects": _subjects,
        "schemas": _schemas,
        "config": _config,
        "compatibility": _compatibility,
        "mode": lambda registry, request: {"mode": "READWRITE"},
    }
    if not request.path:
        return {}
    route = routes.get(request.path[0])
    found = route(registry, request) if route else None
    if found is None:
        raise RegistryError(404, 404, f"HTTP 404 Not Found: {request.method} /{'/'.join(request.path)}")
    return found


def _subjects(registry: Registry, request: _Request) -> Any:
    deleted, permanent = request.flag("deleted"), request.flag("permanent")
    match request.method, request.path[1:]:
        case "GET", []:
            return registry.subjects(request.query.get("subjectPrefix", ""), deleted=deleted)
        case "POST", [subject]:
            return registry.look_up(subject, read_schema(request.body), deleted=deleted)
        case "DELETE", [subject]:
            return registry.delete(subject, None, permanent=permanent)
        case "GET", [subject, "versions"]:
            return registry.versions(subject, deleted=deleted)
        case "POST", [subject, "versions"]:
            return {"id": registry.register(subject, read_schema(request.body))}
        case "GET", [subject, "versions", version]:
            return registry.version(subject, version, deleted=deleted)
        case "DELETE", [subject, "versions", version]:
            return registry.delete(subject, version, permanent=permanent)[0]
        case "GET", [subject, "versions", version, "schema"]:
            return _Text(registry.version(subject, version, deleted=deleted)["schema"])
        case "GET", [subject, "versions", version, "referencedby"]:
            return registry.referenced_by(subject, version)
    return None


def _schemas(registry: Registry, request: _Request) -> Any:
    deleted = request.flag("deleted")
    match request.method, request.path[1:]:
        case "GET", ["types"]:
            return ["AVRO"]
        case "GET", ["ids", schema_id]:
            schema = registry.schema(schema_id)
            references = [reference.to_json() for reference in schema.references]
            return {"schema": schema.text, **({"references": references} if references else {})}
        case "GET", ["ids", schema_id, "schema"]:
            return _Text(registry.schema(schema_id).text)
        case "GET", ["ids", schema_id, "versions"]:
            return registry.uses(schema_id, deleted=deleted)
        case "GET", ["ids", schema_id, "subjects"]:
            return [use["subject"] for use in registry.uses(schema_id, deleted=deleted)]
    return None


def _config(registry: Registry, request: _Request) -> Any:
    if len(request.path) > 2:
        return None
    subject = request.path[1] if len(request.path) == 2 else None
    match request.method:
        case "GET":
            level = registry.level(subject, default_to_global=request.flag("defaultToGlobal"))
            return {"compatibilityLevel": level}
        case "PUT":
            return {"compatibility": registry.set_level(subject, str(request.body.get("compatibility", "")).upper())}
        case "DELETE":
            return {"compatibilityLevel": registry.set_level(subject, None)}
    return None


def _compatibility(registry: Registry, request: _Request) -> Any:
    match request.method, request.path[1:]:
        case "POST", ["subjects", subject, "versions"]:
            found = registry.compatible(subject, read_schema(request.body), None)
        case "POST", ["subjects", subject, "versions", version]:
            found = registry.compatible(subject, read_schema(request.body), version)
        case _:
            return None
    return {"is_compatible": not found, **({"messages": found} if request.flag("verbose") else {})}


class RegistryServer(ThreadingHTTPServer):
    """Loopback only, a thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, log: Path) -> None:
        self.registry = Registry(log)
        super().__init__((HOST, port), _Handler)

    def server_close(self) -> None:
        super().server_close()
        self.registry.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: RegistryServer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing for each request: only failures are written down."""

    def _reply(self) -> None:
        status, content = 200, None
        try:
            content = answer(self.server.registry, _Request(self.command, self.path, self._body()))
        except RegistryError as refused:
            status, content = refused.status, {"error_code": refused.code, "message": refused.message}
        except OSError as error:
            sys.stderr.write(f"registry: cannot write its log: {error}\n")
            status, content = (
                500,
                {"error_code": 50001, "message": f"The registry cannot write its log: {error.strerror}"},
            )
        body = (content if isinstance(content, _Text) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._reply()

    def do_POST(self) -> None:
        self._reply()

    def do_PUT(self) -> None:
        self._reply()

    def do_DELETE(self) -> None:
        self._reply()

    def _body(self) -> Any:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            raise RegistryError(413, 413, f"A body of {length} bytes is too large for a schema.")
        body = self.rfile.read(length)
        if not body:
            return {}
        try:
            return json.loads(body)
        except ValueError as error:
            raise RegistryError(400, 400, f"The body is not JSON: {error}") from error


def serve(port: int, log: Path) -> None:
    """Serve until SIGTERM."""
    server = RegistryServer(port, log)

    def end(_signum: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
