"""What is installed from a wheel is whole: code, schemas, SQL, data. An editable install would hide a missing file."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "connectors", "streams", "sinks", "rollcall")


def _shipped(folder: Path) -> set[str]:
    """Every file under version control's eye in the five packages, caches aside."""
    return {
        file.relative_to(folder).as_posix()
        for package in PACKAGES
        for file in (folder / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix not in {".pyc", ".nbi", ".nbc"}
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.nb?"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source],
        check=True,
        capture_output=True,
    )
    (built,) = (source / "dist").glob("*.whl")
    return built


def test_every_file_of_the_packages_is_in_the_wheel(source: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert _shipped(source) == packed
    assert any(name.endswith(".avsc") for name in packed)
    assert any(name.endswith(".sql") for name in packed)


def test_the_licence_and_the_command_are_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name: name for name in archive.namelist() if ".dist-info/" in name}
        entry_points = archive.read(names["entry_points.txt"]).decode()
        metadata = archive.read(names["METADATA"]).decode()
    assert "LICENSE" in names
    assert "rollcall = rollcall.cli.app:main" in entry_points
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: <3.14,>=3.11" in metadata


def test_the_unpacked_wheel_finds_its_own_data(wheel: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    program = """
import sys
sys.path.insert(0, sys.argv[1])
import schemas, sinks, rollcall
for module in (schemas, sinks, rollcall):
    assert module.__file__.startswith(sys.argv[1]), module.__file__
subjects = schemas.subjects()
assert subjects
for subject in subjects:
    assert schemas.load(subject)["type"] == "record"
from sinks import migrate
assert migrate.__file__.startswith(sys.argv[1])
from rollcall.cli.app import build
build()
print(len(subjects))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(unpacked)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 7
