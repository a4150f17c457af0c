"""The pinned jars of Apache Kafka: fetched once into a cache that all stacks share, checked at every start."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from rollcall.errors import StackError

__all__ = ["Jar", "cache_folder", "class_path", "fetch", "pinned_jars"]


@dataclass(frozen=True)
class Jar:
    """One jar of kafka.lock: Maven coordinates and the SHA-256 of the file we tested with."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def path(self) -> Path:
        """Where a Maven repository cache keeps the file, relative to its root."""
        return Path(*self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar")


def pinned_jars() -> list[Jar]:
    """The committed list (kafka.lock): one `group:artifact:version sha256` a line, in class path order."""
    jars = []
    for line in files("rollcall.stack").joinpath("kafka.lock").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            coordinate, sha256 = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(Jar(group, artifact, version, sha256))
    return jars


def cache_folder(environment: dict[str, str] | None = None) -> Path:
    """`$ROLLCALL_CACHE`, else `$XDG_CACHE_HOME/rollcall`, else `~/.cache/rollcall`; jars lie below `kafka/`."""
    environment = dict(os.environ) if environment is None else environment
    if chosen := environment.get("ROLLCALL_CACHE"):
        return Path(chosen).expanduser()
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "rollcall"


def fetch(cache: Path, progress: Callable[[str], None] | None = None) -> list[Path]:
    """All pinned jars as verified files, downloading those that are missing.

    Raises StackError naming the jar when one cannot be fetched or is not the file that was pinned.
    """
    jars, folder = pinned_jars(), cache / "kafka"
    missing = [jar for jar in jars if not (folder / jar.path).is_file()]
    if missing:
        if progress:
            progress(f"fetching {len(missing)} of {len(jars)} Kafka jars")
        _download(missing, folder)
    for jar in jars:
        _verify(jar, folder / jar.path)
    return [folder / jar.path for jar in jars]


def class_path(jars: list[Path]) -> str:
    return os.pathsep.join(str(jar) for jar in jars)


def _download(jars: list[Jar], folder: Path) -> None:
    """Fetch beside the cache, verify, then move in: a fetch that is cut off, or two at once, leave no half jar."""
    # Imported here: only a first start needs a Maven client.
    from jgo.maven import MavenContext

    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix="fetch-", dir=folder))
    except OSError as error:
        raise StackError(f"Cannot write to {folder}: {error.strerror}. Choose another with ROLLCALL_CACHE.") from error
    context = MavenContext(repo_cache=beside, timeout=60)

    def one(jar: Jar) -> None:
        try:
            context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        except Exception as error:  # jgo raises whatever its HTTP client does; any of it means the same to a reader
            raise StackError(
                f"Cannot fetch {jar.coordinate}: {error}. Is there a network, and room in {folder}?"
            ) from error
        _verify(jar, beside / jar.path)
        (folder / jar.path).parent.mkdir(parents=True, exist_ok=True)
        (beside / jar.path).replace(folder / jar.path)

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, jars))
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _verify(jar: Jar, path: Path) -> None:
    """Hash the whole file: all 46 are 45 MB and take 0.1 s, and a size with a date would not see a broken one."""
    try:
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise StackError(f"Cannot read {path}: {error.strerror}.") from error
    if found != jar.sha256:
        raise StackError(
            f"Broken jar: {path} has SHA-256 {found[:12]}…, pinned is {jar.sha256[:12]}…. "
            "Delete that file and start again."
        )
