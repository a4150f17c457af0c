"""The scoped users of the embedded front: who they are, and the hash of the password that each was given.

A password is 256 random bits that we make, so its plain SHA-256 is enough: there is nothing to guess. Which schools a
user may see is not here but in the table `access_scope`, as on a ClickHouse server.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from rollcall.errors import ConfigError, UsageError
from rollcall.stack.home import write_atomically

__all__ = ["FILE", "Member", "give_password", "known", "read", "take_password"]

#: Below the folder of the engine's data.
FILE = "scoped-users.json"
#: Compared against when nobody has the name, so that an unknown name takes as long as a wrong password.
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True)
class Member:
    """One scoped user: the only database the user may ask, and the hash of the password."""

    name: str
    database: str
    sha256: str


def read(file: Path) -> dict[str, Member]:
    """Every scoped user by name; empty when there is no file. Raises ConfigError when it is not what we wrote."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return {one["name"]: Member(one["name"], one["database"], one["sha256"]) for one in stored["users"]}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{file} cannot be read as a file of scoped users: restore it from a copy") from None


def known(file: Path, name: str, password: str) -> Member | None:
    """The user with this name and password, or None. The file is read each time: a change holds at once."""
    member = read(file).get(name)
    given = hashlib.sha256(password.encode()).hexdigest()
    right = hmac.compare_digest(given, member.sha256 if member else _NOBODY)
    return member if member and right else None


def give_password(file: Path, name: str, database: str) -> str:
    """Make a password for a user, in place of an earlier one; returned this once, kept only as its hash."""
    password = secrets.token_urlsafe(32)
    member = Member(name, database, hashlib.sha256(password.encode()).hexdigest())
    _write(file, {**read(file), name: member})
    return password


def take_password(file: Path, name: str) -> None:
    """Let a user in no more. Raises UsageError when nobody has the name."""
    members = read(file)
    if name not in members:
        raise UsageError(f"{name} has no password here")
    _write(file, {other: member for other, member in members.items() if other != name})


def _write(file: Path, members: dict[str, Member]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(file, json.dumps({"users": [asdict(one) for one in members.values()]}, indent=1) + "\n")
    file.chmod(0o600)
