"""The command line: every command teaches, starts quickly, and fails in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from rollcall import __version__
from rollcall.cli.app import GROUPS, build

ROOT = Path(__file__).parents[2]
#: Modules whose import takes long: none of them may be needed for `rollcall --help`.
HEAVY = {
    "polars",
    "pyarrow",
    "numba",
    "chdb",
    "confluent_kafka",
    "fastapi",
    "clickhouse_connect",
    "numpy",
    "httpx",
    "aiohttp",
    "avro",
}


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if hasattr(group, "commands"):
        for name, command in group.commands.items():
            yield from _commands(command, (*path, name))
    else:
        yield " ".join(path), group


APP = build()
COMMANDS = dict(_commands(typer.main.get_command(APP)))


def rollcall(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}
    return subprocess.run(
        [sys.executable, "-m", "rollcall.cli", *arguments],
        cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_every_file_of_the_folder_is_a_group_and_every_group_a_file() -> None:
    files = {file.stem for file in (ROOT / "rollcall/cli").glob("*.py")} - {"__init__", "__main__", "app"}
    shared = {name for name in files if name.startswith("_")}
    assert files - shared == set(GROUPS)


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_help_says_what_a_command_is_for_with_examples(path: str) -> None:
    command = COMMANDS[path]
    assert command.help, f"{path}: no docstring"
    assert "rollcall" in (command.epilog or ""), f"{path}: no example in its epilog"
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert getattr(parameter, "help", None), f"{path}: {parameter.opts[0]} is not explained"


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_help_can_be_printed(path: str) -> None:
    result = CliRunner().invoke(APP, [*path.split(), "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


def test_help_needs_no_heavy_module() -> None:
    program = f"import sys; from rollcall.cli.app import build; build(); print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pandas_is_not_imported_though_pyarrow_would() -> None:
    program = (
        "import sys; from rollcall.cli._lean import do_without_pandas; do_without_pandas()\n"
        "import clickhouse_connect, polars, pyarrow; polars.DataFrame(pyarrow.table({'a': pyarrow.array([1])}))\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_version(tmp_path: Path) -> None:
    assert rollcall("--version", cwd=tmp_path).stdout == f"rollcall {__version__}\n"


def test_our_own_error_is_one_line_and_an_exit_code_no_traceback(tmp_path: Path) -> None:
    done = rollcall("config", cwd=tmp_path, ROLLCALL_KAFAK__BOOTSTRAP="x")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "rollcall: ROLLCALL_KAFAK__BOOTSTRAP: no such setting; `rollcall config` lists them all\n"


def test_with_debug_set_the_traceback_is_shown(tmp_path: Path) -> None:
    done = rollcall("config", cwd=tmp_path, ROLLCALL_KAFAK__BOOTSTRAP="x", ROLLCALL_DEBUG="1")
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_a_command_that_does_not_exist_is_usage(tmp_path: Path) -> None:
    assert rollcall("regsiter", cwd=tmp_path).returncode == 2


def test_config_shows_where_a_value_comes_from(tmp_path: Path) -> None:
    done = rollcall("config", "--json", cwd=tmp_path, ROLLCALL_CLICKHOUSE__PASSWORD="hunter2")
    rows = {row["setting"]: row for row in json.loads(done.stdout)}
    assert "hunter2" not in done.stdout
    assert rows["clickhouse.password"]["from"] == "environment"
    assert rows["kafka.bootstrap"] == {
        "setting": "kafka.bootstrap",
        "value": "127.0.0.1:9092",
        "from": "default",
        "variable": "ROLLCALL_KAFKA__BOOTSTRAP",
    }
    assert "hunter2" not in rollcall("config", cwd=tmp_path, ROLLCALL_CLICKHOUSE__PASSWORD="hunter2").stdout
