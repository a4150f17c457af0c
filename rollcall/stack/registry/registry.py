"""The registry's answers, without HTTP: register, look up, check, delete. Error codes are Confluent's."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import avro.name
import avro.schema

from rollcall.stack.registry.compatibility import DEFAULT_LEVEL, LEVELS, InvalidSchemaError, differences, parse
from rollcall.stack.registry.store import Reference, Store, StoredSchema, Version

__all__ = ["Registry", "RegistryError", "read_schema"]


class RegistryError(Exception):
    """An answer that is not 200: HTTP status, Confluent's error code, and the message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def read_schema(body: dict[str, Any]) -> StoredSchema:
    """The schema of a request body `{schema, schemaType?, references?}`."""
    if body.get("schemaType") not in (None, "AVRO"):
        raise RegistryError(422, 42201, f"Only AVRO schemas are kept here, not {body['schemaType']}.")
    text = body.get("schema")
    if not isinstance(text, str) or not text:
        raise RegistryError(422, 42201, "The body has no field 'schema' with a schema as text.")
    try:
        references = tuple(Reference.from_json(reference) for reference in body.get("references") or [])
        schema = StoredSchema(text, references)
        schema.identity  # noqa: B018  (reads the JSON: a text that is none is refused here)
    except (KeyError, TypeError, ValueError) as error:
        raise RegistryError(422, 42201, f"Invalid Avro schema: {error}") from error
    return schema


class Registry:
    """Subjects and their versions over a store. Safe for many threads: one lock, as writes are few."""

    def __init__(self, log: Path) -> None:
        self._store = Store(log)
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the log; nothing may be asked after it."""
        self._store.close()

    def subjects(self, prefix: str = "", *, deleted: bool = False) -> list[str]:
        with self._lock:
            return sorted(s for s in self._store.subjects if s.startswith(prefix) and self._versions(s, deleted))

    def versions(self, subject: str, *, deleted: bool = False) -> list[int]:
        with self._lock:
            return list(self._known(subject, deleted))

    def version(self, subject: str, version: str, *, deleted: bool = False) -> dict[str, Any]:
        """One version of a subject; `version` is a number, `latest` or `-1`."""
        with self._lock:
            number = self._number(subject, version, deleted)
            return self._describe(subject, number)

    def look_up(self, subject: str, schema: StoredSchema, *, deleted: bool = False) -> dict[str, Any]:
        """The version of the subject that is this very schema."""
        with self._lock:
            known = self._known(subject, deleted)
            self._parse(schema)
            schema_id = self._store.ids.get(schema.identity)
            for number, entry in known.items():
                if entry.schema_id == schema_id:
                    return self._describe(subject, number)
            raise RegistryError(404, 40403, "Schema not found")

    def register(self, subject: str, schema: StoredSchema) -> int:
        """Give the schema an id under the subject; registering it again answers the same id."""
        with self._lock:
            parsed = self._parse(schema)
            schema_id = self._store.ids.get(schema.identity)
            known = self._versions(subject, deleted=False)
            if schema_id is not None and any(entry.schema_id == schema_id for entry in known.values()):
                return schema_id
            if found := self._differences(subject, parsed, known):
                raise RegistryError(
                    409,
                    409,
                    f'Schema being registered is incompatible with an earlier schema for subject "{subject}", '
                    f"details: {'; '.join(found)}",
                )
            if schema_id is None:
                schema_id = self._store.add_schema(schema)
            self._store.add_version(subject, schema_id)
            return schema_id

    def compatible(self, subject: str, schema: StoredSchema, version: str | None) -> list[str]:
        """Why the schema may not follow one version (None: all, as the level says); empty when it may."""
        with self._lock:
            parsed = self._parse(schema)
            known = self._versions(subject, deleted=False)
            if version is not None:
                if not known:
                    raise RegistryError(404, 40401, f"Subject '{subject}' not found.")
                number = self._number(subject, version, deleted=False)
                known = {number: known[number]}
            return self._differences(subject, parsed, known)

    def schema(self, schema_id: str) -> StoredSchema:
        with self._lock:
            found = self._store.schemas.get(int(schema_id)) if schema_id.isdecimal() else None
            if found is None:
                raise RegistryError(404, 40403, f"Schema {schema_id} not found")
            return found

    def uses(self, schema_id: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Subjects and versions that are the schema with this id."""
        with self._lock:
            self.schema(schema_id)
            return [
                {"subject": subject, "version": number}
                for subject in sorted(self._store.subjects)
                for number, entry in self._versions(subject, deleted).items()
                if entry.schema_id == int(schema_id)
            ]

    def referenced_by(self, subject: str, version: str) -> list[int]:
        with self._lock:
            return self._referrers(subject, self._number(subject, version, deleted=True))

    def delete(self, subject: str, version: str | None, *, permanent: bool) -> list[int]:
        """Hide versions of a subject, or remove hidden ones for good. Nothing that others refer to goes."""
        with self._lock:
            known = self._known(subject, deleted=True)
            numbers = [self._number(subject, version, deleted=True)] if version is not None else list(known)
            if not permanent:
                numbers = [number for number in numbers if not known[number].deleted]
                if not numbers:
                    raise RegistryError(404, 40404, f"Subject '{subject}' was soft deleted.")
            for number in numbers:
                if permanent and not known[number].deleted:
                    raise RegistryError(404, 40407, f"Version {number} of subject '{subject}' was not deleted first.")
                if self._referrers(subject, number):
                    raise RegistryError(
                        422, 42206, f"One or more references exist to the schema {subject} version {number}"
                    )
            for number in numbers:
                self._store.delete(subject, number, permanent=permanent)
            return numbers

    def level(self, subject: str | None, *, default_to_global: bool = False) -> str:
        with self._lock:
            if subject is not None and subject not in self._store.levels and not default_to_global:
                raise RegistryError(404, 40408, f"Subject '{subject}' has no compatibility level of its own.")
            return self._level(subject)

    def set_level(self, subject: str | None, level: str | None) -> str:
        """Set a level (None: take it away) and answer the level in force."""
        with self._lock:
            if level is not None and level not in LEVELS:
                raise RegistryError(422, 42203, f"Invalid compatibility level. Valid values are {', '.join(LEVELS)}.")
            self._store.set_level(subject, level)
            return self._level(subject)

    def _level(self, subject: str | None) -> str:
        levels = self._store.levels
        return levels.get(subject) or levels.get(None) or DEFAULT_LEVEL

    def _versions(self, subject: str, deleted: bool) -> dict[int, Version]:
        entries = self._store.subjects.get(subject, {})
        return {number: entries[number] for number in sorted(entries) if deleted or not entries[number].deleted}

    def _known(self, subject: str, deleted: bool) -> dict[int, Version]:
        if versions := self._versions(subject, deleted):
            return versions
        raise RegistryError(404, 40401, f"Subject '{subject}' not found.")

    def _number(self, subject: str, version: str, deleted: bool) -> int:
        known = self._known(subject, deleted)
        if version in ("latest", "-1"):
            return max(known)
        if not version.isdecimal() or int(version) < 1:
            raise RegistryError(422, 42202, f"The specified version '{version}' is not a valid version id.")
        if int(version) not in known:
            raise RegistryError(404, 40402, f"Version {version} not found.")
        return int(version)

    def _describe(self, subject: str, number: int) -> dict[str, Any]:
        schema_id = self._store.subjects[subject][number].schema_id
        schema = self._store.schemas[schema_id]
        answer: dict[str, Any] = {"subject": subject, "version": number, "id": schema_id, "schemaType": "AVRO"}
        if schema.references:
            answer["references"] = [reference.to_json() for reference in schema.references]
        return {**answer, "schema": schema.text}

    def _referrers(self, subject: str, number: int) -> list[int]:
        live = {v.schema_id for versions in self._store.subjects.values() for v in versions.values() if not v.deleted}
        return sorted(
            schema_id
            for schema_id in live
            if any(r.subject == subject and r.version == number for r in self._store.schemas[schema_id].references)
        )

    def _differences(self, subject: str, schema: avro.schema.Schema, known: dict[int, Version]) -> list[str]:
        earlier = ((number, self._parse(self._store.schemas[entry.schema_id])) for number, entry in known.items())
        return differences(self._level(subject), schema, earlier)

    def _parse(self, schema: StoredSchema) -> avro.schema.Schema:
        try:
            return parse(schema.text, self._names(schema.references, avro.name.Names(validate_names=True)))
        except InvalidSchemaError as error:
            raise RegistryError(422, 42201, str(error)) from error

    def _names(self, references: tuple[Reference, ...], names: avro.name.Names) -> avro.name.Names:
        """All named types that the references bring, their own references first."""
        for reference in references:
            entry = self._store.subjects.get(reference.subject, {}).get(reference.version)
            if entry is None:
                place = f"version {reference.version} of subject '{reference.subject}'"
                raise RegistryError(
                    422, 42201, f"Invalid schema: reference {reference.name} names {place}, which is not here."
                )
            schema = self._store.schemas[entry.schema_id]
            self._names(schema.references, names)
            parse(schema.text, names)
        return names
