"""What the options of a CSV drop may say. Everything has a default, and an option that is none is refused by name.

The folder is the source's `base_url`: `file:` and its absolute path. A school's files lie in a sub-folder named by the
school's id; where `names` holds `{school}`, they lie in the one folder and their names tell whose they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from connectors.access import Access
from connectors.csvdrop.columns import HEADINGS
from connectors.csvdrop.dates import FORMS
from connectors.csvdrop.names import Template
from rollcall.errors import ConfigError

__all__ = ["Options", "address", "folder_of"]

_NAMES = "*.csv; *.tsv; *.txt"
_YES_NO = {"yes": True, "no": False}
#: What `encoding` may be, for files without a byte-order mark.
_ENCODINGS = {"utf-8": "utf-8", "windows-1252": "cp1252"}
_COLUMN = "column."

Meant = TypeVar("Meant")


@dataclass(frozen=True, slots=True)
class Options:
    """A source's options, read.

    names: how the names of its files are written (`names.Template`); the first that fits a file counts.
    complete: "yes": a file whose name says its first day is a whole export of those days (rule 18).
    dates: the form of dates, for files whose dates can be read in two ways.
    encoding: of files without a byte-order mark; None: UTF-8, else Windows-1252, as the bytes allow.
    pupil_scheme: what the pupils' ids are ids of; the source's own name unless another source uses the same ids.
    quiet_seconds: a file is taken when it has not changed for so long.
    unfinished_seconds: how long one is waited for that does not end with the end of a line.
    columns: headings by role, where a source calls a column otherwise than `columns.HEADINGS` knows.
    """

    pupil_scheme: str
    names: tuple[Template, ...] = tuple(Template(name.strip()) for name in _NAMES.split(";"))
    complete: bool = False
    dates: str | None = None
    encoding: str | None = None
    quiet_seconds: float = 5.0
    unfinished_seconds: float = 300.0
    rows_a_page: int = 1_000
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def shared(self) -> bool:
        """Whether all schools' files lie in one folder."""
        return any(name.names_school for name in self.names)

    @classmethod
    def of(cls, access: Access) -> Options:
        """Read a source's options. Raises ConfigError, naming the option that is wrong."""
        given = dict(access.options)
        columns = {name.removeprefix(_COLUMN): given.pop(name) for name in access.options if name.startswith(_COLUMN)}
        for role in columns:
            if role not in HEADINGS:
                raise ConfigError(f"{access.name}: {_COLUMN}{role}: no such column; one of {', '.join(HEADINGS)}")
        read = cls(
            pupil_scheme=given.pop("pupil_scheme", access.name),
            names=tuple(Template(name.strip()) for name in given.pop("names", _NAMES).split(";") if name.strip()),
            complete=_one_of(access.name, "complete", given.pop("complete", "no"), _YES_NO),
            dates=_one_of(access.name, "dates", given.pop("dates", ""), {"": None, **{form: form for form in FORMS}}),
            encoding=_one_of(access.name, "encoding", given.pop("encoding", ""), {"": None, **_ENCODINGS}),
            quiet_seconds=_number(access.name, "quiet_seconds", given.pop("quiet_seconds", "5")),
            unfinished_seconds=_number(access.name, "unfinished_seconds", given.pop("unfinished_seconds", "300")),
            rows_a_page=max(1, int(_number(access.name, "rows_a_page", given.pop("rows_a_page", "1000")))),
            columns=columns,
        )
        if given:
            raise ConfigError(f"{access.name}: {sorted(given)[0]}: a CSV drop has no such option")
        if read.complete and not any(name.names_days for name in read.names):
            raise ConfigError(f"{access.name}: complete: names must hold {{first_day}}, or no file says which days")
        if read.shared and not all(name.names_school for name in read.names):
            raise ConfigError(f"{access.name}: names: each must hold {{school}} when one does")
        return read


def address(url: str) -> str | None:
    """What is wrong with a base_url; None when nothing is."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc or not Path(unquote(parts.path)).is_absolute():
        return "file: and the absolute path of the folder is wanted, as file:/srv/exports"
    return None


def folder_of(access: Access) -> Path:
    """The folder of a source. Raises ConfigError when its base_url names none."""
    wrong = address(access.base_url)
    if wrong is not None:
        raise ConfigError(f"{access.name}: {wrong}")
    return Path(unquote(urlsplit(access.base_url).path))


def _one_of(source: str, option: str, said: str, meanings: Mapping[str, Meant]) -> Meant:
    found = said.strip().lower()
    if found not in meanings:
        raise ConfigError(f"{source}: {option}: one of {', '.join(name for name in meanings if name)} is wanted")
    return meanings[found]


def _number(source: str, option: str, said: str) -> float:
    try:
        found = float(said)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise ConfigError(f"{source}: {option}: a number is wanted")
    return found
