"""Settings: where a value comes from, what is refused, what is masked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollcall.errors import ConfigError
from rollcall.settings import Settings

STACK = {
    "kafka": {"bootstrap": "127.0.0.1:19092"},
    "registry": {"url": "http://127.0.0.1:18081"},
    "clickhouse": {"host": "127.0.0.1", "port": 18123},
    "pids": {"kafka": 1},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "stack.json").write_text(json.dumps(STACK), encoding="utf-8")
    return tmp_path


def test_without_a_stack_the_defaults_are_in_force(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path)
    assert settings.kafka.bootstrap == "127.0.0.1:9092"
    assert settings.worker.batch_marks == 250_000
    assert {origin for name, _, origin in settings.in_force() if name != "home"} == {"default"}


def test_the_running_embedded_stack_is_found(home: Path) -> None:
    settings = Settings.load(home=home)
    assert settings.kafka.bootstrap == "127.0.0.1:19092"
    assert settings.registry.url == "http://127.0.0.1:18081"
    assert settings.clickhouse.port == 18123
    assert settings.clickhouse.database == "rollcall"


def test_the_environment_goes_before_the_stack_value_by_value(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_HOME", str(home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__HOST", "clickhouse.example")
    settings = Settings.load()
    assert (settings.clickhouse.host, settings.clickhouse.port) == ("clickhouse.example", 18123)
    origins = {name: origin for name, _, origin in settings.in_force()}
    assert origins["home"] == "environment"
    assert origins["clickhouse.host"] == "environment"
    assert origins["clickhouse.port"] == "stack.json"
    assert origins["clickhouse.database"] == "default"


def test_an_argument_goes_before_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", "from_environment")
    settings = Settings.load(home=home, clickhouse={"database": "given"})
    assert (settings.clickhouse.database, settings.clickhouse.port) == ("given", 18123)


@pytest.mark.parametrize(
    "variable", ["ROLLCALL_KAFAK__BOOTSTRAP", "ROLLCALL_KAFKA__BOOTSTRAPS", "ROLLCALL_BATCH_MARKS"]
)
def test_a_misspelt_variable_is_refused_by_name(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(ConfigError, match=rf"{variable}: no such setting"):
        Settings.load(home=tmp_path)


def test_variables_that_are_no_settings_are_let_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_CACHE", "anywhere")
    monkeypatch.setenv("ROLLCALL_DEBUG", "1")
    assert Settings.load(home=tmp_path).home == tmp_path


def test_a_value_of_the_wrong_kind_is_named_and_never_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__PORT", "s3cret-typed-in-the-wrong-place")
    with pytest.raises(ConfigError, match="ROLLCALL_CLICKHOUSE__PORT: input should be a valid integer") as caught:
        Settings.load(home=tmp_path)
    assert "s3cret" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_secrets_are_masked_where_they_are_shown_and_whole_where_they_are_used(tmp_path: Path) -> None:
    settings = Settings.load(
        home=tmp_path,
        kafka={
            "security_protocol": "sasl_ssl",
            "sasl_mechanism": "PLAIN",
            "sasl_username": "u",
            "sasl_password": "s3c",
        },
        clickhouse={"password": "cl1ck"},
    )
    shown = json.dumps(list(settings.in_force())) + repr(settings)
    assert "s3c" not in shown
    assert "cl1ck" not in shown
    assert settings.kafka.client_config() == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "u",
        "sasl.password": "s3c",
    }
    assert settings.clickhouse.client_options()["password"] == "cl1ck"


@pytest.mark.parametrize("written", ["", "{", "[]", '{"kafka": {}}', '{"kafka": null}'])
def test_a_damaged_stack_file_says_what_to_do(written: str, tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(written, encoding="utf-8")
    with pytest.raises(ConfigError, match="rollcall up"):
        Settings.load(home=tmp_path)


def test_key_files_lie_in_the_home_unless_told_otherwise(tmp_path: Path) -> None:
    assert Settings.load(home=tmp_path).upn_key_file == tmp_path / "upn.key"
    assert Settings.load(home=tmp_path).ingest_keys_file == tmp_path / "ingest-keys.json"
    told = Settings.load(home=tmp_path, identity={"upn_key_file": "/run/secrets/upn"}, ingest={"keys_file": "/k"})
    assert (told.upn_key_file, told.ingest_keys_file) == (Path("/run/secrets/upn"), Path("/k"))
