"""Dependencies: declared, used and explained are the same list."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"schemas", "connectors", "streams", "sinks", "rollcall", "benchmarks"}
#: Needed without being imported by name: a zone database, a bound for Faust's sake, the Java runtime and codecs that
#: are found by what uses them.
NOT_IMPORTED = {"tzdata", "click", "cramjam"}
#: Comes with another package as part of its interface: (import, who promises it).
PROMISED = {"starlette": "fastapi"}


def _declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[<>=! ]", requirement)[0] for requirement in project["dependencies"]}


def _imported() -> Iterator[tuple[str, Path]]:
    for package in OURS:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    yield from ((alias.name.split(".")[0], file) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield node.module.split(".")[0], file


def _distributions() -> dict[str, set[str]]:
    """Imported module -> the distributions that hold it, by normal name."""
    return {
        module: {re.sub(r"[-_.]+", "-", name).lower() for name in names}
        for module, names in packages_distributions().items()
    }


def test_what_is_imported_is_declared() -> None:
    declared, distributions = _declared(), _distributions()
    undeclared = set()
    for module, file in _imported():
        if module in OURS or module in sys.stdlib_module_names:
            continue
        module = PROMISED.get(module, module)
        if not distributions.get(module, {module}) & declared:
            undeclared.add(f"{file.relative_to(ROOT)}: {module}")
    assert undeclared == set()


def test_what_is_declared_is_imported() -> None:
    distributions = _distributions()
    used = {name for module, _ in _imported() for name in distributions.get(module, ())}
    assert _declared() - used - NOT_IMPORTED == set()


def test_each_is_explained() -> None:
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    rows = {name for row in re.findall(r"^\| ([a-z0-9, -]+) \|", page, re.M) for name in row.split(", ")} - {"package"}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    tools = {re.split(r"[<>=! ]", requirement)[0] for requirement in groups}
    assert rows == _declared() | tools
