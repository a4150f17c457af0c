"""The ingest API as one process: make the parts, serve, and on SIGTERM finish what has been taken in."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable

import structlog
import uvicorn

from connectors.encoding import Encoder
from connectors.ingest.app import create
from connectors.ingest.hooks import HookRing
from connectors.ingest.keys import KeyRing
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from rollcall.errors import UsageError
from rollcall.settings import Settings

__all__ = ["DELIVERY_SECONDS", "run"]

log = structlog.get_logger()

#: How long a request may wait for Kafka: a broker that restarts is back within it, a sender's own timeout is longer.
DELIVERY_SECONDS = 8.0


def run(settings: Settings, host: str, port: int, *, listening: Callable[[str], None] = lambda _url: None) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is in flight and leave. Blocks.

    port: 0 takes a free one; `listening` is told the URL once the socket is bound.
    Raises UsageError when the address cannot be had, ConfigError when the keys or the UPN key cannot be read.
    """
    keys = KeyRing(settings.ingest_keys_file)
    upn_key = UpnKey.of(settings)
    door = _bind(host, port)
    bound_host, bound_port = door.getsockname()[:2]
    url = f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
    # Registers come one by one from many senders: 2 ms of gathering cost a sender nothing and save Kafka requests.
    with Publisher(
        settings.kafka.client_config(), delivery_seconds=DELIVERY_SECONDS, linger_ms=2, client_id="rollcall-ingest"
    ) as publisher:
        app = create(
            publisher,
            Encoder(settings.registry.url),
            keys,
            upn_key,
            max_body_bytes=settings.ingest.max_body_bytes,
            hooks=HookRing(settings.ingest_webhooks_file),
            webhook_max_age_seconds=settings.ingest.webhook_max_age_seconds,
        )
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(DELIVERY_SECONDS) + 2,
                timeout_keep_alive=60,
            )
        )
        _end_quietly_on_signals()
        log.info("ingest_listening", url=url)
        listening(url)
        server.run(sockets=[door])
    log.info("ingest_stopped")


def _end_quietly_on_signals() -> None:
    """Uvicorn takes these signals while it serves, and raises them again once it has ended: by then all is done."""
    if threading.current_thread() is threading.main_thread():
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda _number, _frame: None)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, kind, protocol)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}; try --port 0 for a free one") from None
    door.listen(2048)
    door.set_inheritable(True)
    return door
