"""Bring a ClickHouse database to the shape this version of Rollcall expects.

The shape is the numbered files of `sinks/migrations`. Each is applied once and remembered in `schema_migration` with
its checksum, so a file that was changed after it was applied is noticed and nothing is done.

ClickHouse has no transaction around DDL and no lock to take, so safety comes from the statements instead: whoever
begins a migration says so in `schema_migration` first; a statement that finds its table already made is content when
somebody has said so before (another process at the same moment, or a run that was killed half way), and an error when
nobody has (a table of that name which is not ours). Two processes that migrate together therefore both end well, and a
killed run is finished by the next one. A statement other than CREATE must be harmless when run twice: IF NOT EXISTS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from uuid import uuid4

import clickhouse_connect
import xxhash
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError as DriverError
from clickhouse_connect.driver.exceptions import DatabaseError

from rollcall.errors import ClickHouseError, ConfigError
from rollcall.settings import ClickHouseSettings
from sinks.seed import seed
from sinks.statements import load, split

__all__ = ["Migration", "Outcome", "committed", "migrate", "pending", "server"]

_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
#: A file that begins with this is for servers that manage access (users, roles); the embedded engine has none.
_NEEDS_ACCESS = "-- needs: access management"
_TABLE_ALREADY_EXISTS = 57


@dataclass(frozen=True)
class Migration:
    """One file of `sinks/migrations`."""

    number: int
    name: str
    text: str
    checksum: str

    @property
    def needs_access_management(self) -> bool:
        """Whether it speaks of roles, which only a server with access management knows."""
        return self.text.startswith(_NEEDS_ACCESS)

    def statements(self, database: str) -> list[str]:
        """What it runs, in order. `{database}` is for what ClickHouse keeps as it is written (row policies)."""
        return [statement.replace("{database}", f"`{database}`") for statement in split(self.text)]


@dataclass(frozen=True)
class Outcome:
    """What `migrate` did: names of the files applied now, and of those left out (no access management here)."""

    applied: tuple[str, ...]
    skipped: tuple[str, ...]


def committed() -> tuple[Migration, ...]:
    """The migrations of this version, in order.

    Raises ConfigError when two files have one number, one is missing, or a name is no migration's name.
    """
    found: list[Migration] = []
    for file in sorted((files("sinks") / "migrations").iterdir(), key=lambda one: one.name):
        if not file.name.endswith(".sql"):
            continue
        if (match := _FILE.fullmatch(file.name)) is None:
            raise ConfigError(f"sinks/migrations/{file.name}: a migration is named 0001_what_it_does.sql")
        text = file.read_text(encoding="utf-8")
        found.append(Migration(int(match[1]), file.name.removesuffix(".sql"), text, _checksum(text)))
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        raise ConfigError("sinks/migrations: numbers must run 0001, 0002, 0003 ... without a gap or a double")
    return tuple(found)


@contextmanager
def server(settings: ClickHouseSettings) -> Iterator[Client]:
    """A client of the server, without a database: the one to migrate may not exist yet.

    Raises ClickHouseError when nothing answers or the user is refused.
    """
    try:
        client = clickhouse_connect.get_client(**settings.client_options(), autogenerate_session_id=False)
    except DriverError as error:
        raise ClickHouseError(
            f"ClickHouse at {settings.host}:{settings.port} does not let us in: {error}", getattr(error, "code", None)
        ) from error
    try:
        yield client
    finally:
        client.close()


def pending(client: Client, database: str) -> tuple[Migration, ...]:
    """What `migrate` would apply to `database` now; changes nothing (the database need not exist).

    Raises ClickHouseError when an applied migration was changed since, or is one this version does not know.
    """
    migrations = committed()
    exists = client.query(
        "SELECT count() FROM system.tables WHERE database = {database:String} AND name = 'schema_migration'",
        parameters={"database": _checked(database)},
    ).result_rows[0][0]
    applied = _applied(client, database) if exists else {}
    _refuse_drift(migrations, applied)
    return tuple(one for one in migrations if one.number not in applied and _takes(client, one))


def migrate(client: Client, database: str, migrations: Sequence[Migration] | None = None) -> Outcome:
    """Create `database` if it is missing, apply what is pending, and bring the fixed lists (`sinks.seed`) up to date.

    Afterwards `client` works in `database` (`client.database` is set). Safe to run from several processes at once and
    again after a kill. `migrations` is for tests; None takes the committed ones.

    Raises ClickHouseError when an applied migration was changed since, is unknown to this version, a table that is not
    ours is in the way, or a statement fails; what was applied before stays applied.
    """
    committed_ones = committed()
    migrations = committed_ones if migrations is None else migrations
    client.command(f"CREATE DATABASE IF NOT EXISTS `{_checked(database)}`", use_database=False)
    client.database = database
    client.command(load("migration_table"))
    applied = _applied(client, database)
    _refuse_drift(migrations, applied)
    wanted = [one for one in migrations if one.number not in applied]
    skipped = {one.number for one in wanted if one.needs_access_management and not _takes(client, one)}
    pending = [one for one in wanted if one.number not in skipped]
    done: list[Migration] = []
    run = str(uuid4())
    # Together, for each insert is an fsync: who is killed between the two applies some once more, which is harmless.
    _remember(client, pending, run, "begun")
    try:
        for migration in pending:
            _apply(client, migration, run)
            done.append(migration)
    except BaseException:
        with suppress(DriverError):  # what went wrong first is what must be said
            _remember(client, done, run, "applied")
        raise
    _remember(client, done, run, "applied")
    if migrations == committed_ones:
        seed(client)
    return Outcome(tuple(one.name for one in done), tuple(one.name for one in wanted if one.number in skipped))


def _apply(client: Client, migration: Migration, run: str) -> None:
    for statement in migration.statements(client.database or ""):
        try:
            client.command(statement)
        except DatabaseError as error:
            if error.code == _TABLE_ALREADY_EXISTS and _begun_by_another(client, migration, run):
                continue
            raise ClickHouseError(
                f"migration {migration.name} failed at `{' '.join(statement.split())[:80]}`: {error}", error.code
            ) from error


def _remember(client: Client, migrations: Sequence[Migration], run: str, state: str) -> None:
    if not migrations:
        return
    client.insert(
        "schema_migration",
        [[one.number, one.name, one.checksum, run, state] for one in migrations],
        column_names=["number", "name", "checksum", "run", "state"],
        settings={"async_insert": 0},
    )


def _begun_by_another(client: Client, migration: Migration, run: str) -> bool:
    """Whether another run, of the very same text, has begun this migration. One of another text left half a shape."""
    rows = client.query(load("migration_begun"), parameters={"number": migration.number, "run": run}).result_rows
    if any(checksum != migration.checksum for (checksum,) in rows):
        raise ClickHouseError(
            f"migration {migration.name} was begun by a version of Rollcall with other text and never finished: "
            "finish it with that version, or drop the tables it made"
        )
    return bool(rows)


def _applied(client: Client, database: str) -> dict[int, tuple[str, str]]:
    """number -> (name, checksum) of what has been applied to `database`."""
    rows = client.query(load("migration_applied"), parameters={"database": database}).result_rows
    return {number: (name, checksum) for number, name, checksum in rows}


def _refuse_drift(migrations: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> None:
    ours = {one.number: one for one in migrations}
    for number, (name, checksum) in sorted(applied.items()):
        if number not in ours:
            raise ClickHouseError(
                f"the database has migration {name}, which this version of Rollcall does not know: use a newer version"
            )
        if ours[number].checksum != checksum:
            raise ClickHouseError(
                f"migration {name} was changed after it was applied here: restore its text and put the change in a "
                "new file"
            )


def _takes(client: Client, migration: Migration) -> bool:
    if not migration.needs_access_management:
        return True
    return bool(client.query("CHECK GRANT CREATE ROLE ON *.*").result_rows[0][0])


def _checked(database: str) -> str:
    if not _DATABASE.fullmatch(database):
        raise ConfigError(
            f"{database!r} is no name for a database: letters, digits and _ only, not beginning with a digit"
        )
    return database


def _checksum(text: str) -> str:
    """Of what is run: a reworded comment changes nothing, a changed statement does."""
    return xxhash.xxh3_64_hexdigest("\0".join(split(text)).encode())
