"""Webhooks we take: whose they are, for which schools, and the secret that proves where one comes from.

A vendor signs a webhook's body with a secret both sides hold (HMAC-SHA256), so unlike an API key it cannot be kept as a
hash. It is kept by reference: the file of webhooks names `env:NAME` or `file:path`, and the secret stands there alone,
readable by its owner only. It is read anew for each webhook, so a changed secret is in force at once; a file may hold
two, one a line, while a secret is exchanged.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from connectors.access import secret
from connectors.ingest.keys import SOURCE, now
from connectors.ingest.watched import Watched, write
from rollcall.errors import ConfigError, UsageError

__all__ = ["DEFAULT_HEADER", "Hook", "HookRing", "add", "read", "revoke"]

#: Where the signature stands unless the vendor's portal says otherwise; its public page names no header.
DEFAULT_HEADER = "X-Signature"
#: Signed with when there is no such webhook, so that an unknown one takes as long as a wrong signature.
_NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook that a vendor was told to call.

    secret: where the shared secret is. urn: the school of every site that `sites` (site id -> URN) does not name; None
    when only those are ours. pupil_field: the vendor's extra field that holds a pupil's UPN or MIS id, of which
    pupil_scheme says which; empty when there is none.
    """

    id: str
    source: str
    secret: str
    header: str
    urn: int | None
    sites: Mapping[str, int]
    pupil_field: str
    pupil_scheme: str
    created_at: str
    revoked_at: str | None = None

    def school(self, site: str) -> int | None:
        """The URN of a site, None when it is none of ours."""
        return self.sites.get(site, self.urn)


class HookRing:
    """The webhooks in force, from a file that may change under us. A file that is not there holds none."""

    def __init__(self, file: Path) -> None:
        self._folder = file.parent
        self._hooks: Watched[dict[str, Hook]] = Watched(file, lambda one: {hook.id: hook for hook in read(one)}, {})

    def signed(self, hook_id: str, body: bytes, signatures: Mapping[str, str]) -> Hook | None:
        """The webhook, when `body` was signed with its secret; None when there is none, it is revoked, or it was not.

        signatures: the request's headers; a signature is hexadecimal, with `sha256=` before it or without.
        Raises ConfigError when the secret cannot be read: then nobody can say, and the vendor must try again.
        """
        hook = self._hooks.says().get(hook_id)
        held = _NOBODY if hook is None else secret(hook.secret, self._folder)
        given = signatures.get(DEFAULT_HEADER if hook is None else hook.header, "").strip().removeprefix("sha256=")
        right = False
        for one in held.splitlines():
            expected = hmac.new(one.strip().encode(), body, hashlib.sha256).hexdigest()
            right |= hmac.compare_digest(expected.encode(), given.lower().encode())
        return hook if hook is not None and right and hook.revoked_at is None else None


def read(file: Path) -> list[Hook]:
    """Every webhook of the file, revoked ones too, oldest first; empty when there is no file.

    Raises ConfigError when the file is not what `add` writes.
    """
    try:
        return [Hook(**one) for one in json.loads(file.read_text(encoding="utf-8"))["webhooks"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{file} cannot be read as a file of webhooks: restore it from a copy") from None


def add(
    file: Path,
    source: str,
    *,
    urn: int | None,
    sites: Mapping[str, int],
    named: str | None = None,
    header: str = DEFAULT_HEADER,
    pupil_field: str = "",
    pupil_scheme: str = "upn",
) -> tuple[Hook, str | None]:
    """Note a webhook; returns it, and its secret when we made one (`named` None): it goes into the vendor's portal.

    named: `env:NAME` or `file:path` (relative to the file) where the operator has put the vendor's secret.
    Raises UsageError for a source that is no name, without a school, for an unknown scheme, or for a secret's file that
    others may read; ConfigError when the secret cannot be read.
    """
    if not SOURCE.match(source):
        raise UsageError(f"source {source!r}: use 1 to 32 lower-case letters, digits and hyphens, e.g. front-desk")
    if urn is None and not sites:
        raise UsageError("name the school with --urn, or each site's with --site ID=URN")
    if pupil_scheme not in ("upn", "mis"):
        raise UsageError(f"scheme {pupil_scheme!r}: a pupil is named by a upn or by an id of the mis")
    hook_id, made = secrets.token_hex(6), None
    if named is None:
        made, named = secrets.token_urlsafe(32), f"file:webhook-secrets/{hook_id}"
        _keep(file.parent / named.removeprefix("file:"), made)
    elif named.startswith("file:"):
        _refuse_readable_by_others(file.parent / named.removeprefix("file:"))
    secret(named, file.parent)
    hook = Hook(hook_id, source, named, header, urn, dict(sites), pupil_field, pupil_scheme, now())
    _write(file, [*read(file), hook])
    return hook, made


def revoke(file: Path, hook_id: str) -> Hook:
    """Take no more from a webhook, from now on; it stays in the list. Raises UsageError when there is no such one."""
    hooks = read(file)
    for position, hook in enumerate(hooks):
        if hook.id == hook_id:
            gone = replace(hook, revoked_at=hook.revoked_at or now())
            _write(file, [*hooks[:position], gone, *hooks[position + 1 :]])
            return gone
    raise UsageError(f"there is no webhook {hook_id}: `rollcall ingest webhook list` shows them")


def _keep(file: Path, made: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(made)
        out.flush()
        os.fsync(out.fileno())


def _refuse_readable_by_others(file: Path) -> None:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise ConfigError(f"the secret's file {file} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise UsageError(f"others may read the secret's file {file}: chmod 600 it first")


def _write(file: Path, hooks: list[Hook]) -> None:
    write(file, {"webhooks": [{**asdict(hook), "sites": dict(hook.sites)} for hook in hooks]})
