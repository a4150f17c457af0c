"""Where pages and records go that cannot be read: kept on this machine, with the reason, for whoever mends them.

They cannot go to Kafka, because they are no marks. Kept are attendance pages only, never rosters, which hold names;
readable by the owner only, and for 30 days.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.contract import BadPage, Page, Pull, Refusal

__all__ = ["KEPT_DAYS", "RefusedFolder"]

KEPT_DAYS = 30


class RefusedFolder:
    """The refused pages of one connector, in one folder per source."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep_page(self, pull: Pull, bad: BadPage) -> Path:
        """Keep a page's bytes and why; returns the file of the reason. Raises OSError: then nothing may go on."""
        file = self._file(pull, bad.resource, bad.number)
        if bad.body is not None:
            _write(file.with_suffix(".body"), bad.body)
        _write(file, _about(pull, bad.resource, bad.number, reason=bad.reason, bytes_kept=bad.body is not None))
        return file

    def keep_records(self, pull: Pull, page: Page, refused: Sequence[Refusal]) -> Path:
        """Keep the records of a page that could not be read, each with its reason. Raises OSError as above."""
        file = self._file(pull, page.resource, page.number)
        records = [{"reason": one.reason, "record": one.record} for one in refused]
        _write(file, _about(pull, page.resource, page.number, records=records))
        return file

    def forget_old(self) -> int:
        """Delete what is older than `KEPT_DAYS`; returns how many files went."""
        before = time.time() - KEPT_DAYS * 86_400
        old = [file for file in self._folder.rglob("*") if file.is_file() and file.stat().st_mtime < before]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)

    def _file(self, pull: Pull, resource: str, number: int) -> Path:
        folder = self._folder / pull.source.id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / f"{pull.taken_at:%Y%m%dT%H%M%S%f}-{resource.replace('/', '-')}-{number}.json"


def _about(pull: Pull, resource: str, number: int, **more: Any) -> bytes:
    about: Mapping[str, Any] = {
        "pull_id": pull.id,
        "urn": pull.source.urn,
        "resource": resource,
        "page": number,
        "taken_at": pull.taken_at.isoformat(),
        **more,
    }
    return json.dumps(about, indent=1, default=str).encode()


def _write(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
