"""Reading a list of sources that somebody wrote: TOML, JSON or CSV, many schools of several makes at once.

TOML and JSON have the form of the sources file: a list `sources`, each with its list `schools`. CSV has a line for each
school; lines of one name are one source:

    make,name,base_url,secret,id,urn,code_scheme,from,until
    wonde,,https://api.wonde.com/v1.0,env:WONDE_TOKEN,A1930499544,123456,national,,
    arbor,arbor-north,https://north.uk.arbor.sc,file:secrets/north,1,123457,local,2025-09-01,

Further columns: requests_a_second, school_secret (a school's own), and option.NAME for what only one make understands.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.sources import Definition, Where, WrongSources, parse
from connectors.sources_file import entry_names
from rollcall.errors import UsageError

__all__ = ["document_of", "load"]

_OF_SOURCE = ("make", "name", "base_url", "secret", "requests_a_second")
_OF_SCHOOL = {
    "id": "id", "urn": "urn", "code_scheme": "code_scheme", "school_secret": "secret", "from": "from", "until": "until",
}  # fmt: skip
_OPTION = "option."


def load(file: Path) -> tuple[Definition, ...]:
    """The sources of a file, by its ending. Secret files named relative to it are made absolute.

    Raises UsageError when it cannot be read, WrongSources with a line for every entry that is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8: save it as UTF-8") from None
    if file.suffix.lower() == ".csv":
        document, where = _of_csv(text, file)
    else:
        document = document_of(text, file)
        where = entry_names(document)
    return parse(_with_absolute_secrets(document, file.parent.absolute()), where)


def document_of(text: str, file: Path) -> Any:
    """What TOML or JSON says, by the file's ending. Raises UsageError; a parser's message is told, not the text."""
    try:
        if file.suffix.lower() == ".json":
            return json.loads(text)
        if file.suffix.lower() == ".toml":
            return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{file} is not JSON: {error.msg} in line {error.lineno}") from None
    raise UsageError(f"{file}: a name that ends in .toml, .json or .csv is wanted")


def _of_csv(text: str, file: Path) -> tuple[dict[str, Any], Where]:
    """Lines as a document, and where each entry stood. Raises WrongSources for lines that contradict each other."""
    rows = csv.DictReader(text.splitlines())
    names = rows.fieldnames or []
    unknown = [one for one in names if one not in _OF_SOURCE and one not in _OF_SCHOOL and not one.startswith(_OPTION)]
    if unknown or not {"make", "base_url", "id", "urn"} <= set(names):
        raise UsageError(
            f"{file}: the first line names the columns make, base_url, id, urn, and if wanted name, secret, "
            "requests_a_second, code_scheme, school_secret, from, until, option.NAME"
            + (f"; not {', '.join(unknown)}" if unknown else "")
        )
    sources: dict[str, dict[str, Any]] = {}
    lines: dict[str, list[int]] = {}
    complaints: list[str] = []
    for row in rows:
        head, school = _entry(row)
        name = str(head.get("name") or head.get("make") or "")
        known = sources.setdefault(name, {**head, "schools": []})
        differing = [one for one in {*head, *known} - {"schools"} if head.get(one) != known.get(one)]
        if differing:
            first = lines[name][0]
            complaints.append(
                f"line {rows.line_num}: {', '.join(sorted(differing))}: otherwise than in line {first}, of the same "
                "source; name two systems of one make differently"
            )
        known["schools"].append(school)
        lines.setdefault(name, []).append(rows.line_num)
    places = list(lines.values())
    document = {"sources": list(sources.values())}

    def where(source: int, school: int | None) -> str:
        return f"line {places[source][school or 0]}"

    if complaints:
        raise WrongSources([*complaints, *_also_wrong(document, where)])
    return document, where


def _entry(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A line's source and school. An empty cell is as if the column were not there."""
    said = {name: value.strip() for name, value in row.items() if isinstance(value, str) and value.strip()}
    head: dict[str, Any] = {name: said[name] for name in _OF_SOURCE if name in said}
    options = {name.removeprefix(_OPTION): value for name, value in said.items() if name.startswith(_OPTION)}
    if options:
        head["options"] = options
    return head, {field: said[column] for column, field in _OF_SCHOOL.items() if column in said}


def _also_wrong(document: Any, where: Where) -> tuple[str, ...]:
    try:
        parse(document, where)
    except WrongSources as error:
        return error.complaints
    return ()


def _with_absolute_secrets(document: Any, folder: Path) -> Any:
    """The document with `file:path` made absolute, wherever a secret is named."""
    if isinstance(document, list):
        return [_with_absolute_secrets(one, folder) for one in document]
    if not isinstance(document, Mapping):
        return document
    return {
        name: f"file:{folder / value.removeprefix('file:')}"
        if name == "secret" and isinstance(value, str) and value.startswith("file:") and value != "file:"
        else _with_absolute_secrets(value, folder)
        for name, value in document.items()
    }
