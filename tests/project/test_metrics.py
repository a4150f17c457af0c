"""Metrics: the list, the code that uses it and the server that shows it agree."""

from __future__ import annotations

import ast
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from rollcall import metrics

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "connectors", "streams", "sinks", "rollcall")
UNITS = ("_total", "_seconds", "_records", "_bytes", "_partitions", "_pending")
DECLARED = {
    name: value
    for name, value in vars(metrics).items()
    if name.isupper() and hasattr(value, "describe") and name != "ALL"
}


def _uses() -> Iterator[tuple[str, Path]]:
    """Every `metrics.NAME` and `from rollcall.metrics import NAME` of the packages."""
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if file == ROOT / "rollcall/metrics.py":
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "metrics":
                    yield node.attr, file
                elif isinstance(node, ast.ImportFrom) and node.module == "rollcall.metrics":
                    yield from ((alias.name, file) for alias in node.names)


def test_all_holds_every_metric_once() -> None:
    assert sorted(map(id, metrics.ALL)) == sorted(id(value) for value in DECLARED.values())


def test_names_carry_the_prefix_and_a_unit() -> None:
    for metric in metrics.ALL:
        (described,) = metric.describe()
        name = described.name + ("_total" if described.type == "counter" else "")
        assert name.startswith("rollcall_")
        assert name.endswith(UNITS), name
        assert described.documentation.endswith("."), name


def test_no_label_can_take_a_school_a_pupil_or_a_code() -> None:
    allowed = {
        "outcome", "reason", "exception", "source_kind", "step", "stage", "topic", "partition", "status", "connector",
        "cause", "kind",
    }  # fmt: skip
    for metric in metrics.ALL:
        assert set(metric._labelnames) <= allowed, metric


def test_the_list_and_the_code_agree() -> None:
    uses = [(name, file) for name, file in _uses() if name.isupper() and name != "ALL"]
    unknown = {f"{file.relative_to(ROOT)}: metrics.{name}" for name, file in uses if name not in DECLARED}
    assert not unknown
    assert set(DECLARED) - {name for name, _ in uses} == set(), "listed and never used"


def test_no_metric_is_made_elsewhere() -> None:
    makers = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if file == ROOT / "rollcall/metrics.py":
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client":
                    assert not makers & {alias.name for alias in node.names}, file
                assert not (isinstance(node, ast.Import) and node.names[0].name == "prometheus_client"), file


def test_every_listed_metric_is_exposed() -> None:
    exposed = {family.name for family in REGISTRY.collect()}
    assert {described.name for metric in metrics.ALL for described in metric.describe()} <= exposed


@pytest.fixture
def in_the_way() -> dict[str, str]:
    return {}


@pytest.fixture
def server(in_the_way: dict[str, str]) -> Iterator[str]:
    def health() -> Mapping[str, str]:
        if "raise" in in_the_way:
            raise RuntimeError(in_the_way["raise"])
        return in_the_way

    running = metrics.serve("127.0.0.1", 0, health)
    yield f"http://127.0.0.1:{running.port}"
    running.close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_metrics_are_served(server: str) -> None:
    metrics.BATCHES.inc()
    status, body = get(f"{server}/metrics")
    assert status == 200
    assert re.search(r"^rollcall_batches_total [1-9]", body, re.M)


def test_alive_and_ready_are_two_things(server: str, in_the_way: dict[str, str]) -> None:
    assert get(f"{server}/readyz") == (200, '{"ready": true, "in_the_way": {}}')
    in_the_way["clickhouse"] = "refuses connections"
    status, body = get(f"{server}/readyz")
    assert (status, json.loads(body)["in_the_way"]) == (503, {"clickhouse": "refuses connections"})
    assert get(f"{server}/healthz")[0] == 200


def test_a_health_check_that_breaks_is_not_ready_and_quotes_nothing(server: str, in_the_way: dict[str, str]) -> None:
    in_the_way["raise"] = "A823432112345"
    status, body = get(f"{server}/readyz")
    assert status == 503
    assert json.loads(body)["in_the_way"] == {"health_check": "RuntimeError"}


def test_another_path_is_told_the_paths_there_are(server: str) -> None:
    status, body = get(f"{server}/")
    assert status == 404
    assert "/metrics" in body
