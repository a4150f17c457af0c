"""Rules of the house that a reader of one file cannot see: they hold for all of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "connectors", "streams", "sinks", "rollcall")
#: The edge: settings are read here. The stack finds its cache of jars, a source's token may stand in a variable.
MAY_READ_THE_ENVIRONMENT = {"rollcall/settings.py", "rollcall/cli/app.py"}


def _python() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def test_every_module_says_what_it_is() -> None:
    assert [name for name, tree in _python() if not ast.get_docstring(tree)] == []


def test_nothing_reads_the_environment_at_import() -> None:
    at_import = []
    for name, tree in _python():
        if name in MAY_READ_THE_ENVIRONMENT:
            continue
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            for node in ast.walk(statement):
                if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
                    at_import.append(f"{name}:{node.lineno}")
    assert at_import == []


def test_nothing_imports_a_private_name_of_another_folder() -> None:
    found = []
    for name, tree in _python():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
                private = [
                    alias.name for alias in node.names if alias.name.startswith("_") and alias.name != "__version__"
                ]
                if private and node.module.split(".")[0] != name.split("/")[0]:
                    found.append(f"{name}:{node.lineno} {node.module}.{private[0]}")
    assert found == []


def test_every_sql_file_says_who_reads_its_result() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.sql")]
    assert files
    assert [str(file) for file in files if not file.read_text(encoding="utf-8").startswith("--")] == []


def test_pins_are_hashed_and_name_no_index() -> None:
    for name in ("runtime.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        pins = re.findall(r"^([a-z0-9][^\s=]*)==(\S+)(.*)$", text, re.M)
        assert len(pins) > 40
        assert text.count("\n    --hash=sha256:") >= len(pins)
        assert not re.search(r"https?:|--(extra-)?index-url|--find-links", text)


def test_the_build_backend_is_pinned_with_the_rest() -> None:
    assert re.search(r"^setuptools==", (ROOT / "requirements/runtime.txt").read_text(encoding="utf-8"), re.M)


def test_development_and_runtime_pin_the_same_versions() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9][^\s=]*==[^\s;]+", (ROOT / "requirements" / name).read_text("utf-8"), re.M))

    assert pins("runtime.txt") <= pins("dev.txt")
