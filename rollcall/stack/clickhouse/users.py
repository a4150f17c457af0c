"""Who may do what at the embedded front. chDB has no users of its own: a user is what its statements are held to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rollcall.errors import ConfigError
from rollcall.stack.clickhouse.analyst import Tables, check_settings, check_text, check_tree, read_tree
from rollcall.stack.clickhouse.engine import Engine, Statement, quoted
from rollcall.stack.clickhouse.errors import QueryError
from rollcall.stack.clickhouse.members import Member, known
from rollcall.stack.clickhouse.request import Request, statement_kind, trailing_format
from rollcall.stack.clickhouse.scoped import hold_to_scope

__all__ = ["admit", "authenticate", "hold_to"]

#: `default` may do everything, `reader` may read everything, `analyst` may read views, within limits. There are no
#: passwords: the front listens on this machine only, and who may log in here may read the files anyway.
USERS = ("default", "reader", "analyst")
#: readonly = 2: reads only, may change settings for itself, may not lift readonly.
READ_ONLY = "SET readonly = 2"
#: What people ask goes through views that read with FINAL, most of it of some schools: conditions on keys are asked
#: before rows are merged, unless they say otherwise. While marks arrive an authority's day takes a third of the time.
OF_PEOPLE = {"optimize_move_to_prewhere_if_final": "1"}
#: What a statement of `analyst` may take: threads, bytes, seconds. Less may be asked for. With the one place that
#: analysts share (`front.ANALYSTS_AT_ONCE`) the other core is left to who waits for a school's figures.
ANALYST_LIMITS = {"max_threads": 1, "max_memory_usage": 4_000_000_000, "max_execution_time": 300}
#: Every table, and whether it is a plain view of ours. Those of information_schema would show the tables below, and in
#: the database of a past instant (sinks/as_at.py) these are views themselves.
_TABLES = """
    SELECT
        database, name,
        engine = 'View' AND lower(database) NOT IN ('system', 'information_schema')
            AND NOT match(database, '_as_at_[0-9]{10}_')
    FROM system.tables
"""


def authenticate(request: Request) -> None:
    """Raise code 516 for a user nobody knows."""
    if request.user not in USERS:
        raise _unknown(request)


def admit(request: Request, file: Path) -> Member:
    """The scoped user who asks at the scoped users' own port. Raises code 516 for everybody else, `default` as well."""
    try:
        member = known(file, request.user, request.password)
    except ConfigError as error:
        raise QueryError.of(516, "AUTHENTICATION_FAILED", "The file of scoped users cannot be read.") from error
    if member is None:
        raise _unknown(request)
    return member


def _unknown(request: Request) -> QueryError:
    message = f"{request.user}: Authentication failed: password is incorrect, or there is no user with such name."
    return QueryError.of(516, "AUTHENTICATION_FAILED", message)


def hold_to(request: Request, statement: Statement, engine: Engine, member: Member | None = None) -> Statement:
    """The statement as this user may run it; `member` is the scoped user who asks. Raises code 497 when not at all."""
    if member is None and request.user == "default":
        if request.readonly:
            statement.after_settings = (READ_ONLY,)
        return statement
    if member is not None:
        hold_to_scope(statement, member, engine)
    statement.settings = {**OF_PEOPLE, **statement.settings}
    statement.after_settings = (READ_ONLY,)
    if member is None and request.user == "analyst":
        statement.sql = _for_analyst(statement, engine)
        statement.before = ()
        statement.after_settings = (_limits(statement.settings), *statement.after_settings)
    return statement


def _limits(asked: Mapping[str, str]) -> str:
    """A SET of analysts' limits, or of what was asked for where that is less; 0 is no limit, and so more."""

    def least(name: str, limit: int) -> int:
        wish = asked.get(name, "")
        return int(wish) if wish.isdecimal() and 0 < int(wish) < limit else limit

    return "SET " + ", ".join(f"{name} = {least(name, limit)}" for name, limit in ANALYST_LIMITS.items())


def _for_analyst(statement: Statement, engine: Engine) -> bytes:
    """The statement as the engine itself writes it down, once all of it was found harmless.

    What runs is that text, not the client's: it is one statement, without comments.
    """
    check_settings(statement.settings)
    body, answer_format = trailing_format(statement.sql)
    if statement_kind(body) == "SHOW" and body.split() in ([b"SHOW", b"TABLES"], [b"show", b"tables"]):
        body = b"SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View' ORDER BY name"
    else:
        body = _checked(body, statement, engine)
    return body + (f" FORMAT {answer_format}".encode() if answer_format else b"")


def _checked(body: bytes, statement: Statement, engine: Engine) -> bytes:
    try:
        text = engine.ask(f"SELECT formatQuerySingleLine({quoted(body.decode())})").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise QueryError.of(62, "SYNTAX_ERROR", "The statement is not UTF-8.") from error
    check_text(text)
    tree = read_tree(engine.ask(f"EXPLAIN AST {text}", statement.bindings))
    rows = (line.split("\t") for line in engine.ask(_TABLES).splitlines())
    views = {(database, name): is_view == "1" for database, name, is_view in rows}
    check_tree(tree, Tables(views, statement.database or "default"))
    return text.encode()
