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

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from connectors.access import DEFAULT_REQUESTS_A_SECOND, Access, secret
from rollcall.errors import ConfigError

__all__ = ["NAME", "build", "load"]

NAME = "wonde"
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


def load(file: Path) -> Access:
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
) -> Access:
    """Access from its parts: schools as (Wonde id, URN, code scheme). Raises ConfigError without a token."""
    base_url = base_url.rstrip("/")
    if not base_url.endswith(_VERSION):
        base_url += _VERSION
    return Access.of(NAME, base_url, token, schools, own_tokens, requests_a_second)
