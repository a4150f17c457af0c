"""Fixtures every folder of tests may use: one embedded stack a run, a fresh database and settings a test.

The stack is the real one (Kafka, registry, the ClickHouse engine behind its HTTP front) in a folder of its own, so a
run meets neither a stack of the checkout nor another run. A test that kills a service makes its own stack. With
`--stack=containers` the same tests run on containers; every test that needs the stack carries the mark `stack`.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from rollcall.settings import Settings
from tests.databases import Databases

FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """What the person who runs the tests has set for themselves decides nothing here; the cache of jars is shared."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in list(os.environ):
            if variable.upper().startswith("ROLLCALL_") and variable != "ROLLCALL_CACHE":
                patch.delenv(variable)
        # A broker of the tests lives for minutes: the JVM's second compiler costs it more than it gives.
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
        yield


@pytest.fixture(scope="session", autouse=True)
def _logs_are_no_output() -> None:
    """A worker or loader that runs beside a command logs elsewhere than where the command prints: to standard error as
    it is when a line is written."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that a test runs in this process configures logging: the next test's is not its level."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stack", choices=["embedded", "containers"], default="embedded", help="What the tests stand on.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that needs the stack, however indirectly, is marked so: nobody has to remember it. Scenarios come
    first: they take the longest, and two processes that share the files then end at about the same time.
    """
    items.sort(key=lambda item: "scenarios" not in item.path.parts)
    for item in items:
        if "running_stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def running_stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one stack of this run, embedded or of containers: `up()` gives its URLs, `home` its folder."""
    if request.config.getoption("--stack") == "containers":
        from tests.containers.stack import ContainerStack as Stack
    else:
        from rollcall.stack import EmbeddedStack as Stack  # type: ignore[assignment]

    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def embedded_stack(running_stack: Any, request: pytest.FixtureRequest) -> Any:
    """The running `EmbeddedStack`, for tests of the stack itself. Do not kill its parts: other tests stand on it."""
    if request.config.getoption("--stack") == "containers":
        pytest.skip("about the embedded stack, and this run stands on containers")
    return running_stack


@pytest.fixture(scope="session")
def stack(running_stack: Any) -> Any:
    """Its `StackUrls`: kafka, registry, clickhouse_host, clickhouse_port."""
    return running_stack.up()


@pytest.fixture(scope="session")
def stack_home(running_stack: Any) -> Path:
    """The folder of the stack: `Settings.load(home=stack_home)` finds it, and so does `rollcall --home`."""
    return Path(running_stack.home)


@pytest.fixture(scope="session")
def registered(stack: Any) -> dict[str, int]:
    """All committed schemas registered: topic -> id of the latest version."""
    from schemas.registry import Registry

    with Registry(stack.registry) as registry:
        return {one.topic: one.schema_id for one in registry.register_all()}


@pytest.fixture(scope="session")
def databases(stack: Any) -> Iterator[Databases]:
    """Migrated databases, used again by one test after another."""
    import clickhouse_connect

    client = clickhouse_connect.get_client(host=stack.clickhouse_host, port=stack.clickhouse_port)
    made = Databases(client)
    yield made
    made.close()
    client.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember on the test whether any part of it failed: its database is then not used again."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture
def clickhouse_database(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an empty, migrated database that is this test's own."""
    with databases.one(failed=lambda: request.node.stash.get(FAILED, False)) as name:
        yield name


@pytest.fixture
def settings(stack: Any, stack_home: Path, clickhouse_database: str) -> Settings:
    """Settings that point at the stack and at this test's own database, with a consumer group of its own."""
    return Settings.load(
        home=stack_home,
        clickhouse={"database": clickhouse_database},
        worker={"group": f"rollcall-test-{uuid.uuid4().hex[:12]}"},
    )


@pytest.fixture(scope="session")
def _client(stack: Any) -> Iterator[Any]:
    import clickhouse_connect

    client = clickhouse_connect.get_client(host=stack.clickhouse_host, port=stack.clickhouse_port)
    yield client
    client.close()


@pytest.fixture
def clickhouse(_client: Any, settings: Settings) -> Any:
    """A clickhouse_connect client whose database is this test's own. One client after another: making one asks for
    all settings of the server, which is more than many a test asks."""
    _client.database = settings.clickhouse.database
    return _client
