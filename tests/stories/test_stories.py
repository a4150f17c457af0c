"""docs/stories.md says what the commands print today.

If not: ROLLCALL_WRITE=1 pytest tests/stories writes it anew; read the difference before it is committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollcall.cli.app import build
from tests.stories.teller import Teller
from tests.stories.told import STORIES
from tests.streams.rig import Rig

PAGE = Path(__file__).parents[2] / "docs" / "stories.md"
#: Told by the run, not set for Rollcall: settings from outside are taken away from the tests.
WRITE = "ROLLCALL_WRITE" in os.environ
_INTRODUCTION = """# Stories

What a user can do, as commands and what they printed. Every line below was run: `tests/stories` makes this page, on
real Kafka and the real ClickHouse engine, and fails when a command says something else. Schools and pupils are made up.
"""


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_page_tells_what_happens(
    story: Callable[[Teller], None], rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROLLCALL_HOME", str(rig.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", rig.database)
    monkeypatch.setenv("ROLLCALL_WORKER__GROUP", rig.group)
    monkeypatch.setenv("COLUMNS", "130")
    teller = Teller(rig, lambda *arguments: CliRunner().invoke(build(), list(arguments)), tmp_path)
    with rig.worker():
        story(teller)
    rig.check()
    told = teller.page()
    if WRITE:
        before = PAGE.read_text(encoding="utf-8") if PAGE.exists() and story is not STORIES[0] else _INTRODUCTION
        PAGE.write_text(f"{before}\n{told}".rstrip() + "\n", encoding="utf-8")
    title = told.strip().split("\n", 1)[0]
    on_page = PAGE.read_text(encoding="utf-8").partition(f"{title}\n")[2].partition("\n## ")[0]
    assert told.strip().split("\n")[1:] == on_page.rstrip().split("\n")


def test_the_page_tells_no_story_that_does_not_happen() -> None:
    titles = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert len(titles) == len(STORIES)
