"""What a scoped user of the embedded front may ask: a few named queries with parameters, and no SQL of their own.

On a ClickHouse server row policies do this. chDB has none, and a filter for each table is got round with merge(). So no
text of the user reaches the engine: the statement is read here, by a grammar that fits on a line, and what runs is the
named query's own SQL. Its schools come from the table `access_scope` by the name the user logged in with, never from
what was sent. The text is that of a parameterised view, `SELECT * FROM school_day(day = '2025-09-10')`, because every
client can send it: with its own formats, its own parameters (`day = {day:Date}`) and, some day, to a real server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from rollcall.stack.clickhouse.engine import Engine, Statement, quoted
from rollcall.stack.clickhouse.errors import QueryError
from rollcall.stack.clickhouse.members import Member
from rollcall.stack.clickhouse.request import trailing_format
from sinks.statements import load

__all__ = ["NAMED", "Named", "hold_to_scope"]


@dataclass(frozen=True)
class Named:
    """One query that scoped users may ask. Each takes `urn`, too: one school of theirs instead of all."""

    name: str
    statement: str
    #: The parameter that must be given, a date; empty for none.
    needs: str
    what: str


NAMED = {
    one.name: one
    for one in (
        Named("my_schools", "scoped_schools", "", "The schools that you may see"),
        Named("school_day", "scoped_day", "day", "A day as counted: marks, attendance, absence, rate"),
        Named("school_marks", "scoped_marks", "day", "The marks that count of a day, pupil by pupil"),
        Named("school_missing", "scoped_missing", "day", "Pupils of a day without a mark that should have one"),
        Named("school_conflicts", "scoped_conflicts", "day", "Marks of a day about which two systems disagree"),
        Named("school_week", "scoped_week", "monday", "The rates of the seven days that begin on a day"),
        Named("school_quality", "scoped_quality", "day", "Findings of a day, and what to do about them"),
    )
}

#: name = 'text', name = number, or name = {given:Type}: a value, never an expression. No value needs an escape.
_ARGUMENT = re.compile(
    r"\s*(?P<name>\w+)\s*=\s*"
    r"(?:'(?P<text>[^'\\]*)'|(?P<number>\d+)|\{\s*(?P<given>\w+)\s*:\s*(?:Date|String|UInt32)\s*\})\s*",
    re.ASCII,
)
_ASKED = re.compile(r"\s*SELECT\s+\*\s+FROM\s+(?P<name>\w+)\s*(?:\((?P<arguments>[^()]*)\))?\s*;?\s*", re.I | re.ASCII)
#: What clickhouse_connect and other clients ask before anything else; no table of ours is in them.
_GREETINGS = frozenset(
    (
        "SELECT 1",
        "SELECT 1 AS check",
        "SELECT version()",
        "SELECT version(), timezone()",
        "SELECT name, value, readonly FROM system.settings LIMIT 10000",
    )
)
#: Formats that are nothing but the rows: none that reads a template or a schema from a file.
_FORMATS = frozenset(
    (
        "Native", "RowBinary", "RowBinaryWithNamesAndTypes", "Arrow", "ArrowStream", "Parquet", "TabSeparated", "TSV",
        "TabSeparatedWithNames", "TSVWithNames", "TabSeparatedWithNamesAndTypes", "CSV", "CSVWithNames", "JSON",
        "JSONCompact", "JSONEachRow", "JSONCompactEachRow", "Pretty", "PrettyCompact", "Vertical", "Markdown",
    )
)  # fmt: skip
#: Settings that change how rows look or how much may be used: not which rows they are, and none that names a file.
_SETTING = re.compile(
    r"output_format_(?:arrow|csv|decimal|json|native|parquet|pretty|tsv|write_statistics)\w*|max_(?:execution_time|threads|block_size|result_rows|result_bytes)|result_overflow_mode"
    r"|date_time_(?:in|out)put_format|cast_string_to_dynamic_use_inference"
)


def hold_to_scope(statement: Statement, member: Member, engine: Engine) -> None:
    """Make the statement the named query it asks for, of the member's own schools.

    Raises code 497 (ACCESS_DENIED) for anything else, and for a school that is not the member's.
    """
    for name in statement.settings:
        if not _SETTING.fullmatch(name):
            raise _refused(f"setting {name} is not for scoped users")
    if statement.database not in ("", member.database):
        raise _refused("no other database is open to you")
    body, asked_format = trailing_format(statement.sql)
    if (asked_format or statement.default_format) not in _FORMATS:
        raise _refused(f"format {asked_format or statement.default_format} is not for scoped users")
    try:
        text = body.decode().strip()
    except UnicodeDecodeError as error:
        raise _refused("the statement is not UTF-8") from error
    sql, bindings = _answer(text, statement.bindings, member, engine)
    statement.sql = (f"{sql}\nFORMAT {asked_format}" if asked_format else sql).encode()
    statement.bindings, statement.database, statement.before = bindings, member.database, ()


def _answer(text: str, given: Mapping[str, str], member: Member, engine: Engine) -> tuple[str, dict[str, str]]:
    if text in _GREETINGS:
        return text, {}
    if text.rstrip("; ").upper() == "SHOW TABLES":
        return _list_of_queries(), {}
    asked = _ASKED.fullmatch(text)
    if asked is None or asked["name"] not in NAMED:
        raise _refused("ask SELECT * FROM a named query; SHOW TABLES lists them")
    query = NAMED[asked["name"]]
    arguments = _arguments(query, asked["arguments"] or "", given)
    schools = engine.ask(load("access_schools"), {"user": member.name}, member.database).split()
    if "urn" in arguments:
        if arguments["urn"] not in schools:
            raise _refused("that school is not one of yours")
        schools = [arguments["urn"]]
    bindings = {"schools": f"[{','.join(schools)}]"}
    if query.needs:
        bindings[query.needs] = arguments[query.needs]
    return load(query.statement).rstrip(), bindings


def _arguments(query: Named, written: str, given: Mapping[str, str]) -> dict[str, str]:
    """The parameters by name, each what it must be: a date or a URN."""
    found: dict[str, str] = {}
    for part in written.split(",") if written.strip() else ():
        one = _ARGUMENT.fullmatch(part)
        if one is None or one["name"] in found or one["name"] not in {"urn", query.needs}:
            raise _refused(f"{query.name} takes {_takes(query)}, each once, as name = value")
        value = given.get(one["given"], "") if one["given"] else one["text"] or one["number"] or ""
        found[one["name"]] = _school(value) if one["name"] == "urn" else _day(value)
    if query.needs and query.needs not in found:
        raise _refused(f"{query.name} needs {query.needs}, as {query.needs} = '2025-09-10'")
    return found


def _takes(query: Named) -> str:
    return f"{query.needs} and urn" if query.needs else "urn"


def _school(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,8}", value, re.ASCII):
        raise _refused("a urn is a number")
    return value


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise _refused("a date is written 2025-09-10") from None


def _list_of_queries() -> str:
    rows = ", ".join(f"({quoted(one.name)}, {quoted(_takes(one))}, {quoted(one.what)})" for one in NAMED.values())
    return f"SELECT * FROM VALUES('name String, takes String, what String', {rows})"


def _refused(why: str) -> QueryError:
    return QueryError.of(497, "ACCESS_DENIED", f"Not enough privileges: {why}")
