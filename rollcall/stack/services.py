"""The three services of the stack: what each needs before it starts, its command, and when it is ready."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

import psutil

from rollcall.stack import jars, kafka
from rollcall.stack.home import HOST, Home, write_atomically

__all__ = ["ClickHouse", "Kafka", "Registry", "Service", "StackOptions"]

Progress = Callable[[str], None]

#: Asking services on this machine, whatever proxy the environment names.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class StackOptions:
    """What may be chosen about the stack; sizes in bytes, times in seconds."""

    kafka_heap: str = "512m"
    #: The broker lives for minutes: the JVM's second compiler would cost it more than it gives.
    kafka_brief: bool = False
    clickhouse_memory: int = 0
    ready_timeout_s: float = 180.0
    stop_grace_s: float = 30.0

    def clickhouse_bytes(self) -> int:
        """The engine's limit: as set, else half of the machine's memory and at most 8 GB."""
        return self.clickhouse_memory or min(psutil.virtual_memory().total // 2, 8_000_000_000)


class Service(ABC):
    """One part of the stack. `name` is its key in stack.json and the stem of its log file."""

    name: str
    #: Names of the ports it listens on, the one clients use first.
    port_names: tuple[str, ...]

    def __init__(self, home: Home, ports: dict[str, int], options: StackOptions) -> None:
        self.home, self.ports, self.options = home, ports, options

    @property
    def port(self) -> int:
        return self.ports[self.port_names[0]]

    @property
    def output(self) -> Path:
        """Where the process's standard output and errors go."""
        return self.home.logs / f"{self.name}.out"

    @property
    def log(self) -> Path:
        """What to read when it does not start."""
        return self.output

    @property
    @abstractmethod
    def url(self) -> str:
        """How a client names it."""

    @abstractmethod
    def prepare(self, progress: Progress) -> list[str]:
        """Make everything ready for a start and return the command. Raises StackError saying what is in the way."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers, and it is ours. Raises StackError when a stranger answers on its port."""

    def ended(self) -> None:  # noqa: B027  (most have nothing to do)
        """Called once the process has ended by itself after SIGTERM."""


class Kafka(Service):
    """Apache Kafka, broker and controller in one java process."""

    name = "kafka"
    port_names = ("kafka", "kafka_controller")

    @property
    def log(self) -> Path:
        return self.home.logs / "kafka.log"

    @property
    def url(self) -> str:
        return kafka.bootstrap(self.ports)

    def prepare(self, progress: Progress) -> list[str]:
        cache = jars.cache_folder()
        class_path = jars.class_path(jars.fetch(cache, progress))
        startup_cache = kafka.startup_cache(cache)
        kafka.prepare(self.home, self.ports, class_path, startup_cache)
        return kafka.command(
            self.home, class_path, self.options.kafka_heap, startup_cache, brief=self.options.kafka_brief
        )

    def ended(self) -> None:
        kafka.keep_startup_cache(self.home, jars.cache_folder())

    def ready(self) -> bool:
        return kafka.answers(self.url, kafka.cluster_id(self.home))


class Registry(Service):
    """The schema registry, a process of its own."""

    name = "registry"
    port_names = ("registry",)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def prepare(self, progress: Progress) -> list[str]:
        log = self.home.folder("registry") / "schemas.log"
        return [sys.executable, "-m", "rollcall.stack.registry.server", str(self.port), str(log)]

    def ready(self) -> bool:
        return _answers(f"{self.url}/subjects")


class ClickHouse(Service):
    """The ClickHouse engine behind its HTTP front."""

    name = "clickhouse"
    port_names = ("clickhouse", "clickhouse_scoped")

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def prepare(self, progress: Progress) -> list[str]:
        folder = self.home.folder("clickhouse")
        template = Template(files("rollcall.stack.clickhouse").joinpath("config.xml.template").read_text())
        config = folder / "config.xml"
        memory = self.options.clickhouse_bytes()
        write_atomically(config, template.substitute(logs=self.home.folder("logs"), memory=memory))
        module = "rollcall.stack.clickhouse.front"
        ports = [str(self.ports[name]) for name in self.port_names]
        return [sys.executable, "-m", module, *ports, str(folder / "data"), str(config)]

    def ready(self) -> bool:
        return _answers(f"{self.url}/?query=SELECT%201")


def _answers(url: str) -> bool:
    try:
        with _direct.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
