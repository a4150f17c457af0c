"""Which schools to pull, where, and with what: one TOML or JSON file. Tokens are named, not written, in it.

base_url = "https://api.wonde.com/v1.0"
token = "env:WONDE_TOKEN"          # or "file:secrets/wonde-token"

[[schools]]
id = "A1930499544"
urn = 123456
code_scheme = "local"              # the school displays codes of its own: a map of scheme wonde:<urn> is published
token = "file:secrets/school-a"    # only where the school has its own
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from connectors.contract import Source
from rollcall.errors import ConfigError

__all__ = ["WondeConfig", "load"]


#: Wonde publishes no limit: this is a polite guess, about an hour and a half for one round of 24,500 schools.
DEFAULT_REQUESTS_A_SECOND = 20.0
#: The version of the API that this connector reads; a base URL may leave it out.
_VERSION = "/v1.0"


class _SchoolIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    urn: int = Field(ge=1, le=2**31 - 1)
    code_scheme: str = "national"
    token: str | None = None


class _FileIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    token: str | None = None
    requests_a_second: float = Field(DEFAULT_REQUESTS_A_SECOND, gt=0)
    schools: list[_SchoolIn] = []


@dataclass(frozen=True, slots=True)
class WondeConfig:
    """Schools and their tokens. `token` is the one for schools without their own; None when every school has one."""

    base_url: str
    token: str | None
    sources: tuple[Source, ...]
    own_tokens: Mapping[str, str]
    requests_a_second: float = DEFAULT_REQUESTS_A_SECOND

    def token_of(self, school_id: str) -> str:
        """What lets us read this school. Raises ConfigError when nothing does."""
        token = self.own_tokens.get(school_id, self.token)
        if token is None:
            raise ConfigError(f"Wonde school {school_id} has no token: name one in the file, for it or for all")
        return token

    def source(self, school_id: str, urn: int, code_scheme: str = "national") -> Source:
        """A school as the runner sees it. 'local' codes are in the scheme `wonde:<urn>`."""
        scheme = f"wonde:{urn}" if code_scheme == "local" else code_scheme
        return Source(school_id, urn, scheme, fingerprint(self.token_of(school_id)))


def fingerprint(token: str) -> str:
    """Tells one token from another without telling the token: enough to see that it was changed."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def load(file: Path) -> WondeConfig:
    """Read the file, TOML or JSON by its ending, and the tokens it names; paths in it are relative to it.

    Raises ConfigError, naming the field that is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8")
        written: dict[str, Any] = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
        given = _FileIn.model_validate(written)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{file}: {place}: {first['msg']}") from None
    except ValueError as error:
        raise ConfigError(f"{file} is neither TOML nor JSON as its name says: {type(error).__name__}") from None
    return build(
        given.base_url,
        None if given.token is None else secret(given.token, file.parent),
        [(school.id, school.urn, school.code_scheme) for school in given.schools],
        {school.id: secret(school.token, file.parent) for school in given.schools if school.token is not None},
        given.requests_a_second,
    )


def build(
    base_url: str,
    token: str | None,
    schools: list[tuple[str, int, str]],
    own_tokens: Mapping[str, str] | None = None,
    requests_a_second: float = DEFAULT_REQUESTS_A_SECOND,
) -> WondeConfig:
    """A configuration from its parts: schools as (Wonde id, URN, code scheme). Raises ConfigError without a token."""
    base_url = base_url.rstrip("/")
    if not base_url.endswith(_VERSION):
        base_url += _VERSION
    bare = WondeConfig(base_url, token, (), dict(own_tokens or {}))
    sources = tuple(bare.source(school_id, urn, scheme) for school_id, urn, scheme in schools)
    for name, kind in (("id", [source.id for source in sources]), ("urn", [source.urn for source in sources])):
        if len(set(kind)) != len(kind):
            raise ConfigError(f"two Wonde schools have the same {name}: their marks would be mixed")
    return WondeConfig(base_url, token, sources, bare.own_tokens, requests_a_second)


def secret(named: str, folder: Path) -> str:
    """What `env:NAME` or `file:path` stands for. Raises ConfigError, never quoting what it found."""
    kind, _, place = named.partition(":")
    if kind == "env":
        found = os.environ.get(place, "")
    elif kind == "file":
        try:
            found = (folder / place).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the token file {place} cannot be read: {error.strerror}") from None
    else:
        raise ConfigError("a token is named as env:NAME or file:path, not written into the file")
    if not found.strip():
        raise ConfigError(f"the token {named} is empty")
    return found.strip()
