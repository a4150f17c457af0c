"""The stack as containers: Apache's Kafka, Confluent's registry and a ClickHouse server instead of the embedded parts.

The images are those of docker-compose.yml. Ports are chosen before the start because Kafka has to advertise its own.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rollcall.stack import StackUrls

__all__ = ["ContainerStack", "why_no_engine"]

_ROOT = Path(__file__).parents[2]


def why_no_engine() -> str | None:
    """Why containers cannot run here, or None when an engine answers."""
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError:
        return "no docker client on this machine"
    except subprocess.TimeoutExpired:
        return "the container engine does not answer"
    return None if done.returncode == 0 else "no container engine answers on this machine"


def image(service: str) -> str:
    """The image of a service in docker-compose.yml."""
    import yaml

    compose = yaml.safe_load((_ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return str(compose["services"][service]["image"])


class ContainerStack:
    """Kafka, registry and ClickHouse server, with the same `up`, `down` and `home` as the embedded stack."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._started: list[Callable[[], Any]] = []  # what undoes each start, in order
        self._urls: StackUrls | None = None

    def up(self) -> StackUrls:
        """Start the three (once), wait until each answers, and write `stack.json` so that commands find them."""
        if self._urls is None:
            self._urls = self._start()
            self._write_stack_file(self._urls)
        return self._urls

    def down(self) -> None:
        """Stop and remove what was started, last first."""
        while self._started:
            self._started.pop()()

    def _start(self) -> StackUrls:
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.network import Network
        from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

        kafka_port, registry_port, clickhouse_port = _free_ports(3)
        network = Network().create()
        self._started.append(network.remove)
        kafka = (
            DockerContainer(image("kafka"))
            .with_network(network)
            .with_network_aliases("kafka")
            .with_bind_ports(9092, kafka_port)
            .with_envs(
                KAFKA_NODE_ID="1",
                KAFKA_PROCESS_ROLES="broker,controller",
                KAFKA_CONTROLLER_QUORUM_VOTERS="1@kafka:9093",
                KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
                KAFKA_INTER_BROKER_LISTENER_NAME="INTERNAL",
                KAFKA_LISTENERS="INTERNAL://:19092,EXTERNAL://:9092,CONTROLLER://:9093",
                KAFKA_ADVERTISED_LISTENERS=f"INTERNAL://kafka:19092,EXTERNAL://127.0.0.1:{kafka_port}",
                KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
                KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
                KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
                KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
                KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
                KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
                KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS="1000",
                KAFKA_MESSAGE_MAX_BYTES="8388608",
            )
            .waiting_for(LogMessageWaitStrategy("Kafka Server started"))
        )
        clickhouse = (
            DockerContainer(image("clickhouse"))
            .with_network(network)
            .with_bind_ports(8123, clickhouse_port)
            # Without a user of its own the image shuts `default` in; with access management it listens to all.
            .with_envs(CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT="1")
            .waiting_for(HttpWaitStrategy(8123, "/ping").for_status_code(200))
        )
        registry = (
            DockerContainer(image("registry"))
            .with_network(network)
            .with_bind_ports(8081, registry_port)
            .with_envs(
                SCHEMA_REGISTRY_HOST_NAME="registry",
                SCHEMA_REGISTRY_LISTENERS="http://0.0.0.0:8081",
                SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS="PLAINTEXT://kafka:19092",
                SCHEMA_REGISTRY_KAFKASTORE_TOPIC_REPLICATION_FACTOR="1",
                SCHEMA_REGISTRY_SCHEMA_COMPATIBILITY_LEVEL="backward_transitive",
            )
            .waiting_for(HttpWaitStrategy(8081, "/subjects").for_status_code(200))
        )
        for part in (kafka, clickhouse, registry):
            self._started.append(part.stop)
            part.start()
        return StackUrls(
            kafka=f"127.0.0.1:{kafka_port}",
            registry=f"http://127.0.0.1:{registry_port}",
            clickhouse_host="127.0.0.1",
            clickhouse_port=clickhouse_port,
        )

    def _write_stack_file(self, urls: StackUrls) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        written = {
            "kafka": {"bootstrap": urls.kafka},
            "registry": {"url": urls.registry},
            "clickhouse": {"host": urls.clickhouse_host, "port": urls.clickhouse_port},
        }
        (self.home / "stack.json").write_text(json.dumps(written), encoding="utf-8")


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
