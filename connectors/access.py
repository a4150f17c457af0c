"""How the schools of one connector are reached: address, secrets, how fast. What every make's connector is made from.

A secret is named where it is configured (`env:NAME`, `file:path`), read once, and never written down by us.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.contract import Source
from rollcall.errors import ConfigError

__all__ = ["DEFAULT_REQUESTS_A_SECOND", "Access", "fingerprint", "secret"]

#: No MIS publishes a limit: a polite guess, about an hour and a half for one round of 24,500 schools.
DEFAULT_REQUESTS_A_SECOND = 20.0


@dataclass(frozen=True, slots=True)
class Access:
    """What lets one connector read its schools.

    name: the `source` of its marks, the label of its metrics, the folder of its state; a make's own name unless a
    trust has two systems of one make. secret: for schools without one of their own; None when every school has one.
    options: what only one make understands, as it is configured. requests_a_second: over all its schools.
    """

    name: str
    base_url: str
    secret: str | None = None
    sources: tuple[Source, ...] = ()
    own_secrets: Mapping[str, str] = field(default_factory=dict)
    requests_a_second: float = DEFAULT_REQUESTS_A_SECOND
    options: Mapping[str, str] = field(default_factory=dict)

    def secret_of(self, school_id: str) -> str:
        """What lets us read this school. Raises ConfigError when nothing does."""
        found = self.own_secrets.get(school_id, self.secret)
        if found is None:
            raise ConfigError(f"school {school_id} of {self.name} has no secret: name one, for it or for all")
        return found

    def source(self, school_id: str, urn: int, code_scheme: str = "national") -> Source:
        """A school as the runner sees it. 'local' codes are in a scheme of the school's own: `<name>:<urn>`."""
        scheme = f"{self.name}:{urn}" if code_scheme == "local" else code_scheme
        return Source(school_id, urn, scheme, fingerprint(self.secret_of(school_id)))

    @classmethod
    def of(
        cls,
        name: str,
        base_url: str,
        secret: str | None,
        schools: list[tuple[str, int, str]],
        own_secrets: Mapping[str, str] | None = None,
        requests_a_second: float = DEFAULT_REQUESTS_A_SECOND,
        options: Mapping[str, str] | None = None,
    ) -> Access:
        """From its parts: schools as (the source's id, URN, code scheme).

        Raises ConfigError for a school without a secret, and for two schools with one id or one URN.
        """
        bare = cls(name, base_url.rstrip("/"), secret, (), dict(own_secrets or {}))
        sources = tuple(bare.source(school_id, urn, scheme) for school_id, urn, scheme in schools)
        for kind, all_of_it in (("id", [one.id for one in sources]), ("urn", [one.urn for one in sources])):
            if len(set(all_of_it)) != len(all_of_it):
                raise ConfigError(f"two schools of {name} have the same {kind}: their marks would be mixed")
        return cls(name, bare.base_url, secret, sources, bare.own_secrets, requests_a_second, dict(options or {}))


def fingerprint(secret: str) -> str:
    """Tells one secret from another without telling the secret: enough to see that it was changed."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def secret(named: str, folder: Path) -> str:
    """What `env:NAME` or `file:path` (relative to `folder`) stands for. Raises ConfigError, never telling it."""
    kind, _, place = named.partition(":")
    if kind == "env":
        found = os.environ.get(place, "")
    elif kind == "file":
        try:
            found = (folder / place).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the secret's file {place} cannot be read: {error.strerror}") from None
    else:
        raise ConfigError("a secret is named as env:NAME or file:path, not written into the file")
    if not found.strip():
        raise ConfigError(f"the secret {named} is empty")
    return found.strip()
