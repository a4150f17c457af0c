"""A module that no command uses and a library imports all the same, wherever it is installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["do_without_pandas"]


class _Refused(MetaPathFinder, Loader):
    """Finds pandas and refuses to load it, as if it were not installed: who asks takes ImportError for that."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == "pandas" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        raise ModuleNotFoundError(f"no command needs {spec.name}", name=spec.name)


def do_without_pandas() -> None:
    """chDB wants pandas installed, and pyarrow imports it with the first array it makes: 0.3 s of CPU and 40 MB in
    every worker, for nothing. Where it is imported already it stays."""
    if not any(isinstance(finder, _Refused) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Refused())
