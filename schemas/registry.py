"""A client of any schema registry that speaks Confluent's API: ids to schemas, our schemas to ids.

Two answers must not be confused. A registry that says "I do not hold this id" makes the message poison. A registry
that is away, overloaded, refuses us, or is hidden by a proxy's error page says nothing about the message: the reader
waits.
"""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Any, NamedTuple

import httpx

import schemas

__all__ = ["COMPATIBILITY", "Registered", "Registry", "RegistryAway", "SchemaRefused", "UnknownSchemaId"]

#: Every reader must be able to read what any earlier version wrote: topics keep weeks of messages.
COMPATIBILITY = "BACKWARD_TRANSITIVE"

#: Confluent's error codes: no such subject, version, schema.
_SUBJECT_NOT_FOUND, _VERSION_NOT_FOUND, _SCHEMA_NOT_FOUND = 40401, 40402, 40403
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class UnknownSchemaId(LookupError):  # noqa: N818 - named for what it says; not every one is an error of ours
    """The registry answered, and holds no Avro schema under this id. A message that names it cannot be read."""


class RegistryAway(ConnectionError):  # noqa: N818
    """The registry did not answer, or not to the question. Nothing follows about any message: try again later."""


class SchemaRefused(ValueError):  # noqa: N818
    """The registry refuses a schema of ours (incompatible, invalid), or does not hold it yet."""


class Registered(NamedTuple):
    """What `register_all` found or did: a topic, the id of its latest schema, whether it was new to the registry."""

    topic: str
    schema_id: int
    new: bool


class Registry:
    """One registry, by URL. Safe to share between threads.

    `timeout` is in seconds, for connecting and for each read. Credentials may stand in the URL.
    """

    def __init__(self, url: str, *, timeout: float = 5.0, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=url,
            timeout=timeout,
            transport=transport,
            # Loading the authorities takes 60 ms; over http: nobody shows a certificate.
            verify=url.startswith("https:"),
            headers={"Accept": _CONTENT_TYPE, "Content-Type": _CONTENT_TYPE},
        )
        self._by_id: dict[int, schemas.Schema] = {}
        self._lock = threading.Lock()

    def get(self, schema_id: int) -> schemas.Schema:
        """The schema under an id, as a dict. Asked once: an id never changes its meaning. Do not change the dict.

        Raises UnknownSchemaId only when the registry itself says that it has no such schema (or none in Avro, or one
        that leans on other subjects, which Rollcall never writes). Raises RegistryAway for everything else.
        """
        known = self._by_id.get(schema_id)
        if known is not None:
            return known
        answer = self._ask("GET", f"/schemas/ids/{schema_id}")
        if answer.status_code != httpx.codes.OK:
            if _error_code(answer) == _SCHEMA_NOT_FOUND:
                raise UnknownSchemaId(f"the registry holds no schema with the id {schema_id}")
            raise _away(answer)
        written = _json(answer)
        if written.get("schemaType", "AVRO") != "AVRO" or written.get("references"):
            raise UnknownSchemaId(f"the schema with the id {schema_id} is no Avro schema that stands alone")
        try:
            schema = json.loads(written["schema"])
        except (KeyError, TypeError, ValueError):
            raise RegistryAway(f"the registry's answer about the id {schema_id} cannot be read") from None
        with self._lock:
            return self._by_id.setdefault(schema_id, schema)

    def register(self, subject: str, schema: schemas.Schema) -> int:
        """Register a schema of a topic (or of a `-value` subject); the id it has, also when it was there already.

        Raises SchemaRefused when the registry finds it incompatible or invalid, RegistryAway.
        """
        answer = self._ask("POST", f"/subjects/{schemas.registry_subject(subject)}/versions", _envelope(schema))
        return self._id_of(answer, subject)

    def lookup(self, subject: str, schema: schemas.Schema) -> int | None:
        """The id of exactly this schema under a topic, None when it is not registered. Raises RegistryAway."""
        answer = self._ask("POST", f"/subjects/{schemas.registry_subject(subject)}", _envelope(schema))
        if _error_code(answer) in {_SUBJECT_NOT_FOUND, _SCHEMA_NOT_FOUND}:
            return None
        return self._id_of(answer, subject)

    def ids(self) -> dict[str, int]:
        """Topic -> id of our latest committed schema, for all topics: what a producer writes with.

        Raises SchemaRefused when one is not registered (`rollcall schemas register`), RegistryAway.
        """
        found: dict[str, int] = {}
        for subject in schemas.subjects():
            schema_id = self.lookup(subject, schemas.load(subject))
            if schema_id is None:
                raise SchemaRefused(f"the latest schema of {subject} is not registered: rollcall schemas register")
            found[subject] = schema_id
        return found

    def check(self, subject: str, schema: schemas.Schema) -> list[str]:
        """What the registry holds against this schema, by its own compatibility level; empty when nothing.

        Raises RegistryAway, SchemaRefused when it is no valid schema.
        """
        path = f"/compatibility/subjects/{schemas.registry_subject(subject)}/versions"
        answer = self._ask("POST", f"{path}?verbose=true", _envelope(schema))
        if _error_code(answer) in {_SUBJECT_NOT_FOUND, _VERSION_NOT_FOUND}:
            return []
        if answer.status_code != httpx.codes.OK:
            raise _refused(answer, subject)
        said = _json(answer)
        if said.get("is_compatible"):
            return []
        return [str(message) for message in said.get("messages") or ["incompatible"]]

    def register_all(self) -> list[Registered]:
        """Set `COMPATIBILITY` and register every committed version of every topic, oldest first.

        Raises SchemaRefused, RegistryAway.
        """
        done: list[Registered] = []
        for subject in schemas.subjects():
            level = self._ask("PUT", f"/config/{schemas.registry_subject(subject)}", {"compatibility": COMPATIBILITY})
            if level.status_code != httpx.codes.OK:
                raise _refused(level, subject)
            known = self.lookup(subject, schemas.load(subject))
            schema_id = -1
            for version in schemas.versions(subject):
                schema_id = self.register(subject, schemas.load(subject, version))
            done.append(Registered(subject, schema_id, known is None))
        return done

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> httpx.Response:
        try:
            return self._http.request(method, path, content=None if content is None else json.dumps(content).encode())
        except httpx.HTTPError as error:
            raise RegistryAway(
                f"the schema registry at {self._http.base_url.copy_with(userinfo=b'')} does not answer "
                f"({type(error).__name__})"
            ) from None

    def _id_of(self, answer: httpx.Response, subject: str) -> int:
        if answer.status_code != httpx.codes.OK:
            raise _refused(answer, subject)
        try:
            return int(_json(answer)["id"])
        except (KeyError, TypeError, ValueError):
            raise RegistryAway(f"the registry's answer about {subject} cannot be read") from None


def _envelope(schema: schemas.Schema) -> dict[str, Any]:
    return {"schemaType": "AVRO", "schema": json.dumps(schema, separators=(",", ":"))}


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        read = answer.json()
    except ValueError:
        raise RegistryAway("the schema registry did not answer in JSON") from None
    if not isinstance(read, dict):
        raise RegistryAway("the schema registry's answer cannot be read")
    return read


def _error_code(answer: httpx.Response) -> int | None:
    """Confluent's own error code: a 404 without one comes from something else (a proxy, a wrong path)."""
    if answer.status_code != httpx.codes.NOT_FOUND:
        return None
    try:
        said = answer.json()
        return int(said["error_code"])
    except (ValueError, TypeError, KeyError):
        return None


def _refused(answer: httpx.Response, subject: str) -> Exception:
    """409 and 422 are the registry's word about the schema; anything else is no word about it."""
    if answer.status_code in {httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY}:
        try:
            message = str(answer.json()["message"])
        except (ValueError, TypeError, KeyError):
            message = "no reason given"
        return SchemaRefused(f"the registry refuses the schema of {subject}: {message}")
    return _away(answer)


def _away(answer: httpx.Response) -> RegistryAway:
    return RegistryAway(f"the schema registry answered {answer.status_code} to {answer.request.url.path}")
