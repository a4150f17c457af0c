"""Every table as Parquet files, with a manifest: nobody is kept by where the data stands.

A file is written beside its place, noted, then renamed, so that a file in its place is whole, and a run that was killed
is gone on with: what is noted and in its place is not written again. `progress.jsonl` holds the notes until
`manifest.json` takes their place, last of all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall import __version__
from rollcall.domain.clock import now
from rollcall.errors import ClickHouseError, UsageError
from rollcall.files import write_durably
from sinks.statements import load

__all__ = ["LEFT_OUT", "TABLES", "WHATS", "Export", "Table", "Written"]

MANIFEST = "manifest.json"
PROGRESS = "progress.jsonl"
#: Of a piece of a file (bytes).
_PIECE = 1024 * 1024
_SETTINGS = {
    "output_format_parquet_compression_method": "zstd",
    "output_format_parquet_date_as_uint16": 0,
    # A server may limit what an analyst's question takes; a month of history takes longer.
    "max_execution_time": 0,
}


class Table(NamedTuple):
    """How one table is put into files."""

    name: str
    what: str
    by: Literal["day", "month", "whole"] = "whole"
    #: The date or instant whose day or month makes a file.
    column: str = ""
    #: Its rows have a session date, in `column`: `--from` and `--until` are about them.
    dated: bool = False
    #: Rows that came after the export had begun are left out.
    known: bool = False
    #: Strings hold bytes: what is no UTF-8 stays as it is.
    holds_bytes: bool = False

    @property
    def slice(self) -> str:
        """The expression whose value names a file."""
        return {"day": self.column, "month": f"toYYYYMM({self.column})", "whole": "'all'"}[self.by]

    @property
    def within(self) -> str:
        """The condition of one file's rows, such that the table's partitions and key answer it."""
        if self.by == "whole":
            return "1"
        return f"{self.slice} = {{slice:{'Date' if self.by == 'day' else 'UInt32'}}}"


TABLES = (
    Table("mark_event", "history", "day", "session_date", dated=True, known=True),
    Table("mark_reassertion", "history", "month", "session_date", dated=True, known=True),
    Table("register_receipt", "history", "month", "produced_at", known=True),
    Table("kiosk_event", "history", "month", "event_date", dated=True, known=True),
    Table("mark_assertion", "current", "day", "session_date", dated=True),
    Table("mark_current", "current", "day", "session_date", dated=True),
    Table("period_current", "current", "day", "session_date", dated=True),
    Table("school_session", "counts", "month", "session_date", dated=True),
    Table("quarantine", "quarantine", "month", "ingested_at", known=True),
    Table("quarantine_message", "quarantine", "month", "ingested_at", known=True, holds_bytes=True),
    Table("quarantine_trail", "quarantine", "month", "at"),
    Table("message_archive", "archive", "month", "arrived_at", holds_bytes=True),
    Table("message_withheld", "archive"),
    *(
        Table(name, "reference")
        for name in (
            "reference_version", "reference_position", "school", "school_link", "school_life", "crosswalk", "enrolment",
            "group_membership", "expected_register", "calendar_term", "calendar_week", "calendar_closure",
            "school_week", "code_map", "code_category", "exception_kind", "quarantine_kind", "source_rule",
            "lesson_rule", "pupil_alias", "amendment_window", "school_span", "school_calendar", "school_opening",
            "merged_pupil",
        )
    ),
    Table("ledger", "ledger", "month", "ingested_at"),
    Table("epoch_claim", "ledger"),
    Table("erasure", "ledger"),
    Table("access_scope", "ledger"),
    Table("schema_migration", "ledger"),
)  # fmt: skip
WHATS = tuple(dict.fromkeys(table.what for table in TABLES))
#: Tables without a file, and why.
LEFT_OUT = {
    "touched": "what derive has still to look at, kept for a day",
    "pupil_week": "mark_current once more, packed: `rollcall weeks run` makes it",
    "erased_mark": "places of deliveries that were erased; it says nothing without Kafka",
}


@dataclass(frozen=True)
class Written:
    """A file in its place."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str
    read_at: str


class Export:
    """One export into one folder. `as_at` is when it was begun, by whichever run."""

    def __init__(self, folder: Path, database: str, first: date, last: date, what: Collection[str]) -> None:
        """Raises UsageError when the folder holds something else, or an export that was asked for otherwise."""
        if last < first:
            raise UsageError(f"session dates from {first} until {last}: the last is before the first")
        if unknown := set(what) - set(WHATS):
            raise UsageError(f"--what {', '.join(sorted(unknown))}: there is {', '.join(WHATS)}")
        self.folder = folder
        self.first, self.last = first, last
        self.asked = {
            "database": database, "from": first.isoformat(), "until": last.isoformat(),
            "what": [one for one in WHATS if one in what],
        }  # fmt: skip
        self.finished = self._stands(folder / MANIFEST)
        self._done: dict[str, Written] = {}
        self.as_at = now() if self.finished is None else datetime.fromisoformat(self.finished["as_at"])
        if self.finished is None:
            self._begin()

    def run(self, client: Client) -> Iterator[Written]:
        """Write what is missing, file by file, each given once it is in its place; the manifest last."""
        if self.finished is not None:
            return
        about = {row[0]: row[1:] for row in client.query(load("export_tables")).result_rows}
        for table in self._tables(about):
            _, key, has_versions, _ = about[table.name]
            for one in self._slices(client, table):
                path = f"{table.what}/{table.name}/{_name(table, one)}.parquet"
                if path not in self._done:
                    yield self._write(client, table, one, path, key, bool(has_versions))
        self._finish(client, about)

    def _tables(self, about: Collection[str]) -> list[Table]:
        return [table for table in TABLES if table.what in self.asked["what"] and table.name in about]

    def _slices(self, client: Client, table: Table) -> list[str]:
        """What the table has a file for; a table that is whole has one, rows or not."""
        if table.by == "whole":
            return ["all"]
        statement = load("export_slices").format(
            slice=table.slice, table=table.name, condition=self._condition(table)
        )  # fmt: skip
        return [one for (one,) in client.query(statement, parameters=self._parameters()).result_rows]

    def _condition(self, table: Table) -> str:
        """Of the rows of this export. Values are parameters; names are of `TABLES`."""
        said = []
        if table.dated:
            said.append(f"{table.column} BETWEEN {{first:Date}} AND {{last:Date}}")
        if table.known:
            said.append("ingested_at <= {at:DateTime64(6, 'UTC')}")
        return " AND ".join(said) or "1"

    def _parameters(self) -> dict[str, Any]:
        return {"first": self.first, "last": self.last, "at": self.as_at.astimezone(UTC).replace(tzinfo=None)}

    def _write(self, client: Client, table: Table, one: str, path: str, key: str, has_versions: bool) -> Written:
        statement = load("export_rows").format(
            table=table.name, final="FINAL" if has_versions else "", within=table.within,
            condition=self._condition(table), key=key or "tuple()",
        )  # fmt: skip
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_suffix(".parquet.part")
        read_at = now()
        settings = {**_SETTINGS, "output_format_parquet_string_as_string": 0 if table.holds_bytes else 1}
        parameters = {**self._parameters(), "slice": one}
        digest = hashlib.sha256()
        with (
            client.raw_stream(statement, parameters=parameters, settings=settings, fmt="Parquet") as rows,
            beside.open("wb") as file,
        ):
            while piece := rows.read(_PIECE):
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        written = Written(
            table.name, path, _rows(beside), beside.stat().st_size, digest.hexdigest(), read_at.isoformat()
        )
        self._note(asdict(written))
        beside.replace(place)
        self._done[path] = written
        return written

    def _begin(self) -> None:
        """Take up what an earlier run noted, or note that this one begins."""
        notes = self.folder / PROGRESS
        if not notes.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise UsageError(f"{self.folder} holds something else: name an empty folder, or one that is not there")
            self.folder.mkdir(parents=True, exist_ok=True)
            self._note({**self.asked, "as_at": self.as_at.isoformat()})
            return
        head, *lines = _noted(notes)
        # A note that a kill cut short would swallow the next one.
        write_durably(notes, "".join(json.dumps(one) + "\n" for one in (head, *lines)))
        self._same(head)
        self.as_at = datetime.fromisoformat(head["as_at"])
        for line in lines:
            written = Written(**line)
            place = self.folder / written.path
            if place.exists() and place.stat().st_size == written.bytes:
                self._done[written.path] = written

    def _stands(self, manifest: Path) -> dict[str, Any] | None:
        if not manifest.exists():
            return None
        found: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        self._same(found)
        return found

    def _same(self, found: dict[str, Any]) -> None:
        if any(found.get(name) != value for name, value in self.asked.items()):
            raise UsageError(f"{self.folder} holds an export that was asked for otherwise: name another folder")

    def _note(self, entry: dict[str, Any]) -> None:
        with (self.folder / PROGRESS).open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(entry) + "\n")
            notes.flush()
            os.fsync(notes.fileno())

    def _finish(self, client: Client, about: dict[str, Any]) -> None:
        columns: dict[str, list[dict[str, str]]] = {}
        for table, name, kind, comment in client.query(load("export_columns")).result_rows:
            columns.setdefault(table, []).append({"name": name, "type": kind, "comment": comment})
        files: dict[str, list[dict[str, Any]]] = {}
        for one in sorted(self._done.values(), key=lambda written: written.path):
            files.setdefault(one.table, []).append({k: v for k, v in asdict(one).items() if k != "table"})
        tables = {
            table.name: {
                "what": table.what, "by": table.by, "comment": about[table.name][0], "sorted_by": about[table.name][1],
                "rows": sum(one["rows"] for one in files.get(table.name, ())), "columns": columns[table.name],
                "create": about[table.name][3], "files": files.get(table.name, []),
            }
            for table in self._tables(about)
        }  # fmt: skip
        self.finished = {
            "rollcall": __version__, **self.asked, "as_at": self.as_at.isoformat(), "left_out": LEFT_OUT,
            "tables": tables,
        }  # fmt: skip
        write_durably(self.folder / MANIFEST, json.dumps(self.finished, indent=1) + "\n")
        (self.folder / PROGRESS).unlink()


def _name(table: Table, one: str) -> str:
    """A file's name: all, 2025-09-10, or 2025-09."""
    return f"{one[:4]}-{one[4:]}" if table.by == "month" else one


def _rows(file: Path) -> int:
    """Rows of a Parquet file by its own count. Raises ClickHouseError when it is not whole: the answer broke off."""
    import pyarrow.parquet as pq

    try:
        return int(pq.ParquetFile(file).metadata.num_rows)
    except (OSError, ValueError) as error:
        raise ClickHouseError(f"{file.name} is not whole: ClickHouse's answer broke off. Export again") from error


def _noted(notes: Path) -> list[dict[str, Any]]:
    """The notes, without a last one that a kill cut short. Raises UsageError when there is not even a first."""
    found = []
    for line in notes.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    if not found:
        raise UsageError(f"{notes} says nothing: delete it, and the folder's files, and export again")
    return found
