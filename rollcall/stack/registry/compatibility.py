"""Is a schema valid Avro, and can it live beside the earlier ones? Decided by the `avro` package, plus defaults."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import avro.errors
import avro.name
import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

__all__ = ["DEFAULT_LEVEL", "LEVELS", "InvalidSchemaError", "differences", "parse"]

DEFAULT_LEVEL = "BACKWARD_TRANSITIVE"
LEVELS = (
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
)

#: Whole numbers of Avro's two integer types (Avro 1.12 specification, primitive types).
_INT_RANGE = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


class InvalidSchemaError(Exception):
    """The text is no Avro schema, or a default value does not fit its field."""


def parse(text: str, names: avro.name.Names) -> avro.schema.Schema:
    """Read a schema; `names` holds the referenced schemas. Raises InvalidSchemaError."""
    try:
        schema = avro.schema.make_avsc_object(json.loads(text), names)
    except (avro.errors.AvroException, ValueError, TypeError, AttributeError, KeyError) as error:
        raise InvalidSchemaError(f"Invalid Avro schema: {error}") from error
    _check_defaults(schema, seen=set())
    return schema


def differences(level: str, schema: avro.schema.Schema, earlier: Iterable[tuple[int, avro.schema.Schema]]) -> list[str]:
    """Why `schema` may not follow `earlier` (version number and schema, oldest first) at a level; empty when it may."""
    if level == "NONE":
        return []
    versions = list(earlier)
    if not level.endswith("_TRANSITIVE"):
        versions = versions[-1:]
    found = []
    for number, old in versions:
        if level.startswith(("BACKWARD", "FULL")):
            found += [f"new schema cannot read version {number}: {why}" for why in _unreadable(schema, old)]
        if level.startswith(("FORWARD", "FULL")):
            found += [f"version {number} cannot read the new schema: {why}" for why in _unreadable(old, schema)]
    return found


def _unreadable(reader: avro.schema.Schema, writer: avro.schema.Schema) -> list[str]:
    result = ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)  # type: ignore[no-untyped-call]
    if result.compatibility == SchemaCompatibilityType.compatible:
        return []
    places = ", ".join(sorted(result.locations))
    return [f"{message} (at {places})" for message in sorted(result.messages)] or [f"incompatible (at {places})"]


def _check_defaults(schema: avro.schema.Schema, seen: set[int]) -> None:
    """Refuse a default of the wrong type anywhere: readers would only fail on the first old message they meet."""
    if id(schema) in seen:
        return
    seen.add(id(schema))
    if isinstance(schema, avro.schema.RecordSchema):
        for field in schema.fields:
            if field.has_default and not _fits(field.default, field.type):
                raise InvalidSchemaError(
                    f"Invalid Avro schema: default {json.dumps(field.default)} of field {field.name} "
                    f"in {schema.fullname} does not fit its type {field.type}"
                )
            _check_defaults(field.type, seen)
    elif isinstance(schema, avro.schema.UnionSchema):
        for branch in schema.schemas:
            _check_defaults(branch, seen)
    elif isinstance(schema, avro.schema.ArraySchema):
        _check_defaults(schema.items, seen)
    elif isinstance(schema, avro.schema.MapSchema):
        _check_defaults(schema.values, seen)
    elif isinstance(schema, avro.schema.EnumSchema):
        default = schema.props.get("default")
        if default is not None and default not in schema.symbols:
            raise InvalidSchemaError(
                f"Invalid Avro schema: default {default!r} of enum {schema.fullname} is not a symbol"
            )


def _fits(value: Any, schema: avro.schema.Schema) -> bool:
    """Whether a JSON default is a value of the type (Avro 1.12: a union's default may be of any branch)."""
    kind = schema.type
    if isinstance(schema, avro.schema.UnionSchema):
        return any(_fits(value, branch) for branch in schema.schemas)
    if isinstance(schema, avro.schema.RecordSchema):
        return isinstance(value, dict) and all(
            _fits(value[field.name], field.type) if field.name in value else field.has_default
            for field in schema.fields
        )
    if isinstance(schema, avro.schema.EnumSchema):
        return value in schema.symbols
    if isinstance(schema, avro.schema.ArraySchema):
        return isinstance(value, list) and all(_fits(item, schema.items) for item in value)
    if isinstance(schema, avro.schema.MapSchema):
        return isinstance(value, dict) and all(_fits(item, schema.values) for item in value.values())
    if isinstance(schema, avro.schema.FixedSchema):
        return isinstance(value, str) and len(value) == schema.size
    if kind == "null":
        return value is None
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in _INT_RANGE:
        low, high = _INT_RANGE[kind]
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if kind in ("float", "double"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)
