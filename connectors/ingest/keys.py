"""Who may send, and for which schools: API keys, stored only as hashes.

A key is `rck_<id>_<secret>`; the secret is 256 random bits. Stored is its plain SHA-256, and that is enough: a slow,
salted hash protects secrets that people choose, by making guesses dear, and there is nothing to guess among 2^256; a
fast hash lets every request be checked in a microsecond. Compared in constant time, so an answer's delay tells nothing.

The file is JSON, readable by its owner only, replaced atomically, and read again when it changes: a revoked key stops
working within a second, without a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from connectors.ingest.watched import Watched, write
from rollcall.errors import ConfigError, UsageError

__all__ = ["SOURCE", "Key", "KeyRing", "add", "now", "read", "revoke"]

_TOKEN = re.compile(r"^rck_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$")
#: How a source is named.
SOURCE = re.compile(r"^[a-z][a-z0-9-]{0,31}$")
#: Compared against when a key's id is unknown, so that an unknown id takes as long as a wrong secret.
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """One key as it is stored. `urns` None means every school."""

    id: str
    source: str
    sha256: str
    urns: frozenset[int] | None
    created_at: str
    revoked_at: str | None = None

    def may_send_for(self, urn: int) -> bool:
        """Whether this key speaks for that school."""
        return self.urns is None or urn in self.urns


class KeyRing:
    """The keys in force, from a file that may change under us. A file that is not there holds no keys."""

    def __init__(self, file: Path) -> None:
        self._keys: Watched[dict[str, Key]] = Watched(file, lambda one: {key.id: key for key in read(one)}, {})

    def holder(self, token: str) -> Key | None:
        """The key that `token` is, or None when it is none of ours, is wrong or has been revoked."""
        match = _TOKEN.match(token)
        key = self._keys.says().get(match.group(1)) if match else None
        given = hashlib.sha256(token.encode()).hexdigest()
        right = hmac.compare_digest(given, key.sha256 if key is not None else _NOBODY)
        return key if key is not None and right and key.revoked_at is None else None


def read(file: Path) -> list[Key]:
    """Every key of the file, revoked ones too, oldest first; empty when there is no file.

    Raises ConfigError when the file is not what `add` writes.
    """
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return [
            Key(
                id=one["id"],
                source=one["source"],
                sha256=one["sha256"],
                urns=None if one["urns"] is None else frozenset(one["urns"]),
                created_at=one["created_at"],
                revoked_at=one["revoked_at"],
            )
            for one in stored["keys"]
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{file} cannot be read as a file of ingest keys: restore it from a copy") from None


def add(file: Path, source: str, urns: Iterable[int] | None) -> tuple[Key, str]:
    """Make a key for a source and some schools (None: every school); returns it and the token, shown only now.

    Raises UsageError for a source that is not lower-case letters, digits and hyphens, or for no school at all.
    """
    if not SOURCE.match(source):
        raise UsageError(f"source {source!r}: use 1 to 32 lower-case letters, digits and hyphens, e.g. classroom")
    schools = None if urns is None else frozenset(urns)
    if schools is not None and not schools:
        raise UsageError("name the schools the key may send for with --urn, or say --all-urns")
    key_id = secrets.token_hex(6)
    token = f"rck_{key_id}_{secrets.token_urlsafe(32)}"
    key = Key(key_id, source, hashlib.sha256(token.encode()).hexdigest(), schools, now())
    _write(file, [*read(file), key])
    return key, token


def revoke(file: Path, key_id: str) -> Key:
    """Make a key useless from now on; it stays in the list. Revoking it twice keeps the first time.

    Raises UsageError when there is no such key.
    """
    keys = read(file)
    for position, key in enumerate(keys):
        if key.id == key_id:
            gone = Key(key.id, key.source, key.sha256, key.urns, key.created_at, key.revoked_at or now())
            _write(file, [*keys[:position], gone, *keys[position + 1 :]])
            return gone
    raise UsageError(f"there is no key {key_id}: `rollcall ingest key list` shows them")


def now() -> str:
    """This second, as the files of keys and webhooks say it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(file: Path, keys: Iterable[Key]) -> None:
    stored = {
        "keys": [
            {
                "id": key.id,
                "source": key.source,
                "sha256": key.sha256,
                "urns": None if key.urns is None else sorted(key.urns),
                "created_at": key.created_at,
                "revoked_at": key.revoked_at,
            }
            for key in keys
        ]
    }
    write(file, stored)
