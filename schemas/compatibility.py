"""The gate: no schema is committed that would break the reader of an earlier message.

`BACKWARD_TRANSITIVE`: the latest version must read what every earlier version wrote, because topics keep weeks of
messages and replays reach further back. Judged by the `avro` package, with two limits of our own: a default must have
the type of its field (fastavro's rule; `avro` lets it pass), and no enum may stand inside a record of an array (the
columnar decoder panics on it, and one such message would take its whole batch with it).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import avro.errors
import avro.schema
import fastavro
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from fastavro.schema import SchemaParseException, UnknownType

import schemas

__all__ = ["Problem", "check_all", "check_versions"]


class Problem(NamedTuple):
    """Something wrong with a version of a subject. `against` is the earlier version it cannot read, if that is it."""

    subject: str
    version: int
    against: int | None
    message: str

    def __str__(self) -> str:
        where = f"{self.subject} version {self.version}"
        if self.against is not None:
            where += f" cannot read what version {self.against} wrote"
        return f"{where}: {self.message}"


def check_all(root: Path = schemas.ROOT) -> list[Problem]:
    """Check every committed version of every subject below `root`. Empty when all is well."""
    problems: list[Problem] = []
    for subject in schemas.subjects(root):
        found = schemas.versions(subject, root)
        if found != list(range(1, len(found) + 1)):
            problems.append(Problem(subject, found[-1], None, f"versions must be 1, 2, 3 without gaps, not {found}"))
        written: list[schemas.Schema] = []
        for version in found:
            try:
                written.append(schemas.load(subject, version, root))
            except ValueError as error:
                problems.append(Problem(subject, version, None, f"is no JSON: {error}"))
        if len(written) == len(found):
            problems.extend(check_versions(subject, written))
    return problems


def check_versions(subject: str, written: Sequence[schemas.Schema]) -> list[Problem]:
    """Check the versions of one subject, given in order from version 1."""
    problems: list[Problem] = []
    readable: dict[int, Any] = {}
    for version, schema in enumerate(written, start=1):
        complaints = list(_complaints(schema))
        problems.extend(Problem(subject, version, None, complaint) for complaint in complaints)
        try:
            readable[version] = avro.schema.parse(json.dumps(schema))
        except avro.errors.AvroException as error:
            if not complaints:
                problems.append(Problem(subject, version, None, f"is no valid Avro schema: {error}"))
    for version, reader in readable.items():
        for earlier, writer in readable.items():
            if earlier < version:
                problems.extend(
                    Problem(subject, version, earlier, message) for message in _incompatibilities(reader, writer)
                )
    return problems


def _incompatibilities(reader: Any, writer: Any) -> list[str]:
    result = ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)  # type: ignore[no-untyped-call]
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    places = sorted(result.locations) or ["/"]
    return [f"{message} (at {place})" for message, place in zip(sorted(result.messages), places, strict=False)] or [
        f"incompatible at {', '.join(places)}"
    ]


def _complaints(schema: schemas.Schema) -> Iterator[str]:
    try:
        fastavro.parse_schema(schema)
    except (SchemaParseException, UnknownType) as error:
        yield f"is no valid Avro schema: {error}"
        return
    if schema.get("type") != "record":
        yield "is no record"
    for path in _enums_in_arrays(schema, set(), (), inside_array=False):
        yield f"has an enum inside an array, at {'.'.join(path)}: the columnar decoder cannot read it; use a string"


def _enums_in_arrays(
    schema: Any, enums: set[str], path: tuple[str, ...], *, inside_array: bool
) -> Iterator[tuple[str, ...]]:
    """The paths of all enums that stand anywhere below an array, also when named there and defined elsewhere."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _enums_in_arrays(branch, enums, path, inside_array=inside_array)
        return
    if isinstance(schema, str):
        if inside_array and schema.rpartition(".")[2] in enums:
            yield path
        return
    kind = schema["type"]
    if kind == "enum":
        enums.add(schema["name"].rpartition(".")[2])
        if inside_array:
            yield path
    elif kind == "array":
        yield from _enums_in_arrays(schema["items"], enums, path, inside_array=True)
    elif kind == "map":
        yield from _enums_in_arrays(schema["values"], enums, path, inside_array=True)
    elif kind in {"record", "error"}:
        for field in schema["fields"]:
            yield from _enums_in_arrays(field["type"], enums, (*path, field["name"]), inside_array=inside_array)
    elif not isinstance(kind, str):
        yield from _enums_in_arrays(kind, enums, path, inside_array=inside_array)
