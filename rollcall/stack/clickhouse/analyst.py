"""What the user `analyst` may ask: SELECT and DESCRIBE on the views of the database, nothing of the tables below them.

On a ClickHouse server a role does this. chDB has no roles, and a filter for each table is got round with merge(). So
the front reads the engine's own syntax tree of the statement and lets through only what it knows to be harmless: known
kinds of node, views by name, table functions that read no table, settings that change no meaning. The rest is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rollcall.stack.clickhouse.errors import QueryError

__all__ = ["Node", "Tables", "check_settings", "check_text", "check_tree", "read_tree"]

#: Nodes that hold all they mean in their children, so that nothing can hide in them. Not here, for one:
#: ColumnsApplyTransformer (its lambda is not shown), Set (settings), Explain.
_NODES = frozenset(
    (
        "SelectWithUnionQuery",
        "SelectIntersectExceptQuery",
        "SelectQuery",
        "DescribeQuery",
        "ExpressionList",
        "Asterisk",
        "QualifiedAsterisk",
        "ColumnsTransformerList",
        "ColumnsExceptTransformer",
        "TablesInSelectQuery",
        "TablesInSelectQueryElement",
        "TableExpression",
        "TableIdentifier",
        "TableJoin",
        "Function",
        "Identifier",
        "Literal",
        "Subquery",
        "WithElement",
        "OrderByElement",
        "WindowDefinition",
    )
)
_TABLE_FUNCTIONS = frozenset(("numbers", "zeros", "generateSeries", "generate_series", "values"))
_SYSTEM_TABLES = frozenset(("one", "numbers", "settings", "functions", "data_type_families", "time_zones"))
#: Functions that read something other than their arguments.
_READING_FUNCTION = re.compile(
    r"dict|joinget|file|catboost|evalml|zookeeper|keeper|getmacro|ai[A-Z]|__|executable", re.I
)
_IN = re.compile(r"(global)?(not)?(null)?in(ignoreset)?", re.I)
#: output_format_schema names a file that the engine would write.
_SETTING = re.compile(
    r"max_\w+|output_format_(?!schema$)\w+|date_time_(?:in|out)put_format|cast_string_to_\w+|session_timezone|join_algorithm|log_comment"
    r"|timeout_overflow_mode|result_overflow_mode|use_query_cache|optimize_\w+"
)
_LINE = re.compile(r"(?P<depth> *)(?P<kind>\w+)(?: (?P<text>.*?))?(?: \(alias .*\))?(?: \(children \d+\))?")
_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|(?P<quoted>`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\")", re.S)
_PLAIN_NAME = re.compile(r"[\w .%/-]+")


@dataclass(frozen=True)
class Node:
    """One node of the syntax tree: what it is, its text (a name, a literal), how deep it lies and what holds it."""

    kind: str
    text: str
    depth: int
    parent: str


@dataclass(frozen=True)
class Tables:
    """What exists: (database, name) -> whether it is a plain view."""

    views: Mapping[tuple[str, str], bool]
    database: str

    def may_read(self, name: str) -> bool:
        """A view, a harmless system table, or a name that no table has: that one is a WITH of the statement itself."""
        database, _, table = name.rpartition(".")
        if database == "system":
            return table in _SYSTEM_TABLES
        if not re.fullmatch(r"\w+", table) or not re.fullmatch(r"\w*", database):
            return False
        known = self.views.get((database or self.database, table))
        return known if known is not None else not database

    def is_hidden(self, name: str) -> bool:
        """Whether the name is one of a table that an analyst may not read."""
        database, _, table = name.rpartition(".")
        return not self.views.get((database or self.database, table), True) or database == "system"


def check_text(sql: str) -> None:
    """Refuse names that could make the printed tree ambiguous, and names that arrive as parameters."""
    for token in _TOKEN.finditer(sql):
        if token["quoted"] and not _PLAIN_NAME.fullmatch(token["quoted"][1:-1]):
            raise _refused(f"the name {token['quoted']} has characters that analysts' names may not have")
    if re.search(r":\s*Identifier\s*\}", sql, re.I):
        raise _refused("a name may not be a parameter")


def check_settings(settings: Iterable[str]) -> None:
    """Refuse settings that could read a table or change what a view means."""
    for name in settings:
        if not _SETTING.fullmatch(name):
            raise _refused(f"setting {name} is not for analysts")


def read_tree(explained: str) -> list[Node]:
    """The lines of EXPLAIN AST as nodes, in order."""
    nodes: list[Node] = []
    path: list[str] = []
    for line in explained.split("\n"):
        if not line:
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise _refused("the statement has something that is not known to be harmless")
        depth = len(found["depth"])
        del path[depth:]
        nodes.append(Node(found["kind"], found["text"] or "", depth, path[-1] if path else ""))
        path.append(found["kind"])
    return nodes


def check_tree(nodes: list[Node], tables: Tables) -> None:
    """Raise code 497 (ACCESS_DENIED) unless every node is harmless and every table is a view."""
    if not nodes or nodes[0].kind not in ("SelectWithUnionQuery", "DescribeQuery"):
        raise _refused("only SELECT and DESCRIBE are")
    compares_with_sets = any(node.kind == "Function" and _IN.fullmatch(node.text) for node in nodes)
    for node in nodes:
        if node.kind not in _NODES:
            raise _refused(f"{node.kind} is not")
        if node.depth == 1 and node.parent == "SelectWithUnionQuery" and node.kind != "ExpressionList":
            raise _refused("INTO OUTFILE and the like are not")
        if node.kind == "TableIdentifier" and not tables.may_read(node.text):
            raise _refused(f"{node.text} is no view")
        if node.kind == "Function":
            _check_function(node, tables)
        if node.kind == "Identifier" and compares_with_sets and tables.is_hidden(node.text):
            raise _refused(f"{node.text} is no view")


def _check_function(node: Node, tables: Tables) -> None:
    if node.parent == "TableExpression":
        if node.text not in _TABLE_FUNCTIONS and not tables.views.get((tables.database, node.text), False):
            raise _refused(f"the table function {node.text} is not")
    elif _READING_FUNCTION.match(node.text):
        raise _refused(f"the function {node.text} is not")


def _refused(why: str) -> QueryError:
    return QueryError.of(497, "ACCESS_DENIED", f"analyst: Not enough privileges; views may be read, {why}")
