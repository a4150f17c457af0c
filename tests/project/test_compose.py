"""The compose file: what Docker says of it, and what we promise about it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollcall import metrics
from rollcall.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
GIVEN = {"ROLLCALL_CLICKHOUSE__PASSWORD": "for-this-test", "UPN_KEY_FILE": "/nowhere/upn.key"}


@pytest.fixture(scope="module")
def compose() -> list[str]:
    if shutil.which("docker") is None:
        pytest.skip("no docker client on this machine")
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("the docker client of this machine has no compose")
    return ["docker", "compose", "--profile", "*", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"]


def test_docker_accepts_it(compose: list[str]) -> None:
    done = subprocess.run(compose, env=os.environ | GIVEN, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", sorted(GIVEN))
def test_docker_refuses_it_without_the_secrets(missing: str, compose: list[str]) -> None:
    environment = os.environ | GIVEN
    del environment[missing]
    done = subprocess.run(compose, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert missing in done.stderr


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"prepare"}))
def test_a_service_that_stays_up_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_bound_to_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_have_a_version_and_volumes_a_name(name: str) -> None:
    service = SERVICES[name]
    assert not service["image"].endswith(":latest")
    assert ":" in service["image"]
    for volume in service.get("volumes", []):
        where = volume.rsplit(":/", 1)[0]
        assert where in COMPOSE["volumes"] or where.startswith(("./", "${"))
        if where.startswith("./"):
            assert (ROOT / where).is_file()


def test_no_password_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable or "TOKEN" in variable:
                assert str(value).startswith("${"), variable
                assert ":-" not in value or value.endswith(":-}"), variable


def test_what_it_sets_are_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for service in SERVICES.values():
        with monkeypatch.context() as patch:
            for variable, value in service.get("environment", {}).items():
                if variable.startswith("ROLLCALL_"):
                    patch.setenv(variable, re.sub(r"\$\{[^}]*?(:-([^}]*))?\}", r"\2", str(value)))
            Settings.load(home=tmp_path)


def test_its_commands_exist(tmp_path: Path) -> None:
    import typer

    from rollcall.cli.app import build

    root: Any = typer.main.get_command(build())
    for name, service in SERVICES.items():
        if service["image"] != "rollcall:local":
            continue
        command: list[str] = service["command"]
        lines = command[0].split(" && ") if name == "prepare" else [" ".join(["rollcall", *command])]
        for line in lines:
            words = [_mounted(word, tmp_path) for word in line.split()[1:]]
            at = root
            while words and hasattr(at, "commands"):
                assert words[0] in at.commands, f"{name}: {line}"
                at = at.commands[words.pop(0)]
            at.make_context(name, list(words))


#: What runs until it is stopped and has no service: when and for how long, a person decides.
BY_HAND = {"snapshot run"}


def test_every_agent_and_whatever_else_runs_until_it_is_stopped_has_a_service() -> None:
    import typer

    from rollcall.cli.agents import NAMES
    from rollcall.cli.app import build

    root: Any = typer.main.get_command(build())
    stays_up = {f"{group} run" for group, one in root.commands.items() if "run" in getattr(one, "commands", {})}
    assert stays_up >= BY_HAND
    stays_up = (stays_up - BY_HAND - {"agents run"}) | {f"agents run {name}" for name in NAMES} | {"worker", "pull"}
    served = [" ".join(service["command"]) for service in SERVICES.values() if service["image"] == "rollcall:local"]
    assert {one for one in stays_up if not any(f"{command} ".startswith(f"{one} ") for command in served)} == set()


def test_prometheus_scrapes_every_service_of_ours_that_stays_up() -> None:
    scraped = set()
    for job in yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]:
        for found in job.get("static_configs", []):
            scraped |= {target.split(":")[0] for target in found["targets"]}
        for found in job.get("dns_sd_configs", []):
            scraped |= set(found["names"])
    assert scraped == {name for name, one in SERVICES.items() if one["image"] == "rollcall:local"} - {"prepare"}


def _mounted(word: str, folder: Path) -> str:
    """A file the container has mounted: here, an empty one in its place."""
    if not word.startswith("/etc/"):
        return word
    here = folder / Path(word).name
    here.touch()
    return str(here)


def test_who_asks_for_pulls_and_who_does_them_share_home_sources_and_secrets() -> None:
    ask, pulls = SERVICES["ask"], SERVICES["pulls"]
    assert (ask["command"][-1], pulls["command"]) == ("--through-kafka", ["agents", "run", "pulls"])
    for part in ("environment", "volumes", "secrets", "profiles"):
        assert ask[part] == pulls[part]
    assert not set(ask["profiles"]) & set(SERVICES["pull"]["profiles"])


def test_dashboard_and_alerts_name_metrics_that_exist() -> None:
    exposed = {
        sample
        for metric in metrics.ALL
        for described in metric.describe()
        for sample in _samples(described.name, described.type)
    }
    used = set()
    for file in ("deploy/alerts.yml", "deploy/grafana/rollcall.json"):
        used |= set(re.findall(r"\brollcall_[a-z_]+", (ROOT / file).read_text(encoding="utf-8")))
    assert used
    assert used - exposed == set()


def _samples(name: str, kind: str) -> set[str]:
    if kind == "counter":
        return {f"{name}_total"}
    if kind == "histogram":
        return {name, f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return {name}


def test_every_alert_says_what_when_it_matters_and_how_to_resolve_it() -> None:
    rules = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    for rule in rules:
        assert set(rule["annotations"]) == {"what", "matters", "resolve"}, rule["alert"]


def test_the_dashboard_is_json_with_a_query_in_every_panel() -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/rollcall.json").read_text(encoding="utf-8"))
    assert all(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
