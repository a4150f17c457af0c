"""Starting, finding and stopping the embedded stack of one folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollcall.errors import StackError
from rollcall.stack import kafka
from rollcall.stack.home import HOST, Home, port_is_free
from rollcall.stack.processes import ChildRecord, kill, last_lines, spawn, stop
from rollcall.stack.services import ClickHouse, Kafka, Registry, Service, StackOptions

__all__ = ["EmbeddedStack", "ServiceStatus", "StackStatus", "StackUrls"]

SERVICES: tuple[type[Service], ...] = (Kafka, Registry, ClickHouse)
PORT_NAMES = tuple(name for service in SERVICES for name in service.port_names)
#: How often a service that starts is asked whether it is ready (s).
POLL_S = 0.05


@dataclass(frozen=True)
class StackUrls:
    """Where the three services answer."""

    kafka: str
    registry: str
    clickhouse_host: str
    clickhouse_port: int


@dataclass(frozen=True)
class ServiceStatus:
    """One service as it is now. `pid` is None when it does not run."""

    name: str
    pid: int | None
    running: bool
    ready: bool
    url: str
    log: Path
    #: Where scoped users ask (`rollcall access`); of ClickHouse alone.
    scoped_url: str = ""


@dataclass(frozen=True)
class StackStatus:
    """The stack as it is now."""

    home: Path
    services: tuple[ServiceStatus, ...]

    @property
    def ready(self) -> bool:
        return bool(self.services) and all(service.ready for service in self.services)


class EmbeddedStack:
    """Kafka, schema registry and ClickHouse as child processes whose state lies in one folder.

    Any process may make one of these for a folder: what runs is read from the folder, never remembered.
    """

    def __init__(self, home: Path, options: StackOptions | None = None) -> None:
        self._home = Home(home)
        self.home = self._home.root
        self.logs = self._home.logs
        self.options = options or StackOptions()

    def up(self, *, progress: Callable[[str], None] | None = None) -> StackUrls:
        """Start what does not run, wait until all of it is ready, and write stack.json.

        Data is kept from start to start, also after kill -9. Raises StackError with what stands in the way.
        """
        tell = progress or (lambda line: None)
        with self._home.lock():
            children = self._children()
            services = self._services(self._ports(children, tell))
            self._write(services, children)
            with ThreadPoolExecutor(len(services)) as pool:
                starts = [pool.submit(self._start, service, children, tell) for service in services]
                try:
                    for start in starts:
                        start.result()
                finally:
                    # What did start is written down, so that `down` finds it.
                    for start in starts:
                        start.exception()
                    self._write(services, children)
            return _urls(services)

    def down(self) -> None:
        """Stop what runs: SIGTERM, and SIGKILL after a grace. Data stays."""
        with self._home.lock():
            children = self._children()
            if not children:
                return
            services = self._services(self._home.ports(PORT_NAMES))

            def end(service: Service) -> None:
                child = children.get(service.name)
                if child is not None and stop(child, self.options.stop_grace_s):
                    service.ended()

            with ThreadPoolExecutor(len(services)) as pool:
                list(pool.map(end, services))
            self._write(services, {})

    def status(self) -> StackStatus:
        """What runs and what answers. Starts nothing; waits at most a few seconds for answers."""
        if not self._home.state_file.exists():
            return StackStatus(self._home.root, ())
        children = self._children()
        ports = self._home.ports(PORT_NAMES)
        services = self._services(ports)

        def one(service: Service) -> ServiceStatus:
            child = children.get(service.name)
            running = child is not None and child.running
            ready = child is not None and child.listens(service.port) and _is_ready(service)
            pid = child.pid if child and running else None
            scoped = f"http://{HOST}:{ports['clickhouse_scoped']}" if service.name == "clickhouse" else ""
            return ServiceStatus(service.name, pid, running, ready, service.url, service.log, scoped)

        with ThreadPoolExecutor(len(services)) as pool:
            return StackStatus(self._home.root, tuple(pool.map(one, services)))

    def kill(self, service: str) -> None:
        """SIGKILL one service (kafka, registry or clickhouse), as a crash would. Returns when it is gone."""
        child = self._children().get(service)
        if child is None or not child.running:
            raise StackError(f"{service} does not run in {self._home.root}.")
        kill(child)

    def pids(self) -> dict[str, int]:
        """Process ids of the services that run."""
        return {name: child.pid for name, child in self._children().items() if child.running}

    def _children(self) -> dict[str, ChildRecord]:
        records = self._home.read_state().get("processes", {})
        children = {name: ChildRecord.from_json(content) for name, content in records.items()}
        return {name: child for name, child in children.items() if child is not None}

    def _ports(self, children: dict[str, ChildRecord], tell: Callable[[str], None]) -> dict[str, int]:
        """Last time's ports where they are free; others are chosen again, which clients see in stack.json."""
        ports = self._home.ports(PORT_NAMES)
        stopped = [service for service in SERVICES if not _runs(children, service.name)]
        taken = [name for service in stopped for name in service.port_names if not port_is_free(ports[name])]
        if taken:
            tell(f"ports taken by another program, choosing others: {', '.join(str(ports[name]) for name in taken)}")
            self._home.write_ports({name: port for name, port in ports.items() if name not in taken})
            ports = self._home.ports(PORT_NAMES)
        return ports

    def _services(self, ports: dict[str, int]) -> list[Service]:
        return [service(self._home, ports, self.options) for service in SERVICES]

    def _start(self, service: Service, children: dict[str, ChildRecord], tell: Callable[[str], None]) -> None:
        """Start one service unless it runs, and wait until it is ready."""
        began = time.monotonic()
        started = not _runs(children, service.name)
        if started:
            self._home.folder("logs")
            command = service.prepare(tell)
            children[service.name] = spawn(command, log=service.output, cwd=self._home.root)
        child = children[service.name]
        while not (child.listens(service.port) and service.ready()):
            if not child.running:
                why = last_lines(service.log) or last_lines(service.output)
                raise StackError(f"{service.name} ended while starting: {why} (log: {service.log})")
            if time.monotonic() - began > self.options.ready_timeout_s:
                raise StackError(
                    f"{service.name} is not ready after {self.options.ready_timeout_s:.0f} s (log: {service.log})"
                )
            time.sleep(POLL_S)
        what = "ready" if started else "was running"
        tell(f"{service.name} {what} at {service.url} ({time.monotonic() - began:.1f} s)")

    def _write(self, services: list[Service], children: dict[str, ChildRecord]) -> None:
        """stack.json: the addresses for everybody, and the processes for us."""
        urls = _urls(services)
        state: dict[str, Any] = {
            "kafka": {"bootstrap": urls.kafka},
            "registry": {"url": urls.registry},
            "clickhouse": {"host": urls.clickhouse_host, "port": urls.clickhouse_port},
            "clickhouse_scoped": {
                "host": urls.clickhouse_host,
                "port": self._home.ports(PORT_NAMES)["clickhouse_scoped"],
            },
            "cluster_id": kafka.cluster_id(self._home),
            "pids": {name: child.pid for name, child in children.items()},
            "processes": {name: child.to_json() for name, child in children.items()},
        }
        self._home.write_state(state)


def _runs(children: dict[str, ChildRecord], name: str) -> bool:
    child = children.get(name)
    return child is not None and child.running


def _is_ready(service: Service) -> bool:
    try:
        return service.ready()
    except StackError:
        return False


def _urls(services: list[Service]) -> StackUrls:
    by_name = {service.name: service for service in services}
    clickhouse = by_name["clickhouse"]
    return StackUrls(by_name["kafka"].url, by_name["registry"].url, HOST, clickhouse.port)
