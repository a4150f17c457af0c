"""The file that holds the sources: read while others write it, changed by one at a time, never half.

JSON, readable by its owner only; replaced whole (`connectors.files.write_durably`). Whoever pulls looks at its time of
change before every page, so what is written here holds at once in every process of the machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.contract import Source
from connectors.files import locked, write_durably
from connectors.sources import Definition, Revocation, WrongSources, parse
from rollcall.errors import ConfigError, UsageError

__all__ = ["SourcesFile", "entry_names"]

Sources = dict[str, Definition]


class SourcesFile:
    """The sources of one installation. A file that is not there holds none."""

    def __init__(self, file: Path) -> None:
        self.path = file
        self._seen: tuple[int, int, int] | None = None
        self._held: Sources = {}

    @property
    def folder(self) -> Path:
        """What relative secret files are relative to."""
        return self.path.parent

    def current(self) -> Mapping[str, Definition]:
        """Every source by name, read again only when the file has changed.

        Raises ConfigError, naming file, entry and field, as long as the file cannot be read: nobody can say then
        whether a school still permits us.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._seen, self._held = None, {}
            return {}
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror}") from None
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            self._held, self._seen = self._read(), seen
        return self._held

    def chosen(self, names: Sequence[str]) -> Sources:
        """The sources of these names; all when none is named. Raises UsageError for an unknown name, or for none."""
        held = dict(self.current())
        if not held:
            raise UsageError(f"{self.path} holds no source: `rollcall sources import` or `rollcall sources add`")
        unknown = [name for name in names if name not in held]
        if unknown:
            raise UsageError(f"no source is called {', '.join(unknown)}; there are {', '.join(held)}")
        return {name: held[name] for name in names} if names else held

    def permits(self, name: str) -> Callable[[Source], str | None]:
        """Asks, of a school of this source, why it may not be pulled at this moment; None when it may."""

        def why_not(school: Source) -> str | None:
            source = self.current().get(name)
            return f"{name} is no longer among the sources" if source is None else source.why_not(school.id, school.urn)

        return why_not

    # ---- changes: each whole, or nothing

    def take(self, sources: Sequence[Definition]) -> None:
        """Put these sources in, each in place of the one of its name; the others stay.

        What was revoked stays revoked, whatever they say: only `resume` gives permission back.
        """

        def put(held: Sources) -> None:
            for source in sources:
                before = held[source.name].revoked if source.name in held else ()
                new = tuple(one for one in source.revoked if one not in before)
                held[source.name] = source.model_copy(update={"revoked": (*before, *new)})

        self._change(put)

    def add(self, source: Definition) -> Definition:
        """Add schools to the source of this name, or the source if there is none; returns it as it is then.

        Raises UsageError when there is such a source and it is another system, or has one of the schools already.
        """

        def put(held: Sources) -> None:
            known = held.get(source.name)
            if known is None:
                held[source.name] = source
                return
            if (known.make, known.base_url) != (source.make, source.base_url):
                raise UsageError(f"{source.name} is {known.make} at {known.base_url}: give the other source a --name")
            joined = known.with_schools([*known.schools, *source.schools])
            document = {"sources": [_stored(joined)]}
            (held[source.name],) = parse(document, entry_names(document))

        return self._change(put)[source.name]

    def revoke(self, name: str, school: str | None, urn: int | None, reason: str, at: datetime) -> None:
        """Withdraw the permission for a school (by its id or its URN), or for the whole source.

        Holds for pages that are under way. Raises UsageError when there is no such source or school.
        """

        def put(held: Sources) -> None:
            source = _known(held, name, school, urn, self.path)
            if not any(one.aims_at(school, urn) for one in source.revoked):
                told = Revocation(school=school, urn=urn, at=at, reason=reason)
                held[name] = source.model_copy(update={"revoked": (*source.revoked, told)})

        self._change(put)

    def resume(self, name: str, school: str | None, urn: int | None) -> bool:
        """Take back what `revoke` told of exactly this; returns whether there was anything to take back."""

        def put(held: Sources) -> None:
            source = _known(held, name, None, None, self.path)
            left = tuple(one for one in source.revoked if not one.aims_at(school, urn))
            held[name] = source.model_copy(update={"revoked": left})

        before = self.current().get(name)
        return before is not None and before.revoked != self._change(put)[name].revoked

    def _change(self, how: Callable[[Sources], None]) -> Sources:
        with locked(self.path.with_name(f"{self.path.name}.lock")):
            held = self._read() if self.path.exists() else {}
            how(held)
            stored = {"sources": [_stored(source) for source in held.values()]}
            try:
                write_durably(self.path, json.dumps(stored, indent=1) + "\n")
            except OSError as error:
                raise ConfigError(f"{self.path} cannot be written: {error.strerror}") from None
        return held

    def _read(self) -> Sources:
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror}") from None
        except ValueError:
            raise ConfigError(f"{self.path} is not JSON: restore it from a copy, or import the sources again") from None
        try:
            return {source.name: source for source in parse(document, entry_names(document))}
        except WrongSources as error:
            raise ConfigError(f"{self.path}: {error}") from None


def entry_names(document: Any) -> Callable[[int, int | None], str]:
    """Names an entry of a document: by name and id where it has one, else by its number (from 1)."""

    def where(source: int, school: int | None) -> str:
        entry = document["sources"][source]
        named = isinstance(entry, Mapping) and (entry.get("name") or entry.get("make"))
        said = f"source {named or source + 1}"
        if school is None:
            return said
        one = entry["schools"][school]
        return f"{said}, school {(isinstance(one, Mapping) and one.get('id')) or school + 1}"

    return where


def _stored(source: Definition) -> dict[str, object]:
    return source.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _known(held: Sources, name: str, school: str | None, urn: int | None, file: Path) -> Definition:
    if name not in held:
        raise UsageError(f"{file} has no source {name}; it has {', '.join(held) or 'none'}")
    source = held[name]
    asked = school is not None or urn is not None
    if asked and source.schools and not any(one.id == school or one.urn == urn for one in source.schools):
        raise UsageError(f"{name} has no school {school if school is not None else urn}")
    return source
