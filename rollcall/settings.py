"""Every setting of Rollcall, in one tree, read once at the edge and passed in.

Where a value comes from, the first that has it: an argument of `Settings.load`, the environment (`ROLLCALL_` and two
underscores between section and name: `ROLLCALL_KAFKA__BOOTSTRAP`), `<home>/stack.json` (written by the embedded stack,
so that every command finds it without being told), the default below. A misspelt variable is an error, not a silence.
`rollcall config` prints what is in force and where it came from, with secrets masked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from rollcall.errors import ConfigError

__all__ = [
    "ArchiveSettings",
    "ClickHouseSettings",
    "ConnectorSettings",
    "IdentitySettings",
    "IngestSettings",
    "KafkaSettings",
    "ObservabilitySettings",
    "RegistrySettings",
    "Settings",
    "WorkerSettings",
]

#: Variables of ours that are no settings: where jars are kept, whether a traceback is shown, where a test dies.
_NOT_SETTINGS = frozenset({"ROLLCALL_CACHE", "ROLLCALL_DEBUG", "ROLLCALL_FAILPOINT"})


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(_Section):
    """Where Kafka is and how to prove who we are. The names and values are librdkafka's."""

    bootstrap: str = Field("127.0.0.1:9092", description="Brokers to begin with, host:port, comma between them.")
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: str | None = Field(None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: Path | None = Field(None, description="The certificate authority's file, PEM.")

    def client_config(self) -> dict[str, Any]:
        """The part of a confluent-kafka configuration that every client needs: brokers and security."""
        config: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "security.protocol": self.security_protocol}
        if self.sasl_mechanism is not None:
            config["sasl.mechanism"] = self.sasl_mechanism
        if self.sasl_username is not None:
            config["sasl.username"] = self.sasl_username
        if self.sasl_password is not None:
            config["sasl.password"] = self.sasl_password.get_secret_value()
        if self.ssl_ca_location is not None:
            config["ssl.ca.location"] = str(self.ssl_ca_location)
        return config


class RegistrySettings(_Section):
    """A schema registry that speaks Confluent's API."""

    url: str = "http://127.0.0.1:8081"


class ClickHouseSettings(_Section):
    """ClickHouse's HTTP interface: a server, or the front of the embedded engine."""

    host: str = "127.0.0.1"
    port: int = Field(8123, ge=1, le=65535)
    user: str = "default"
    password: SecretStr = SecretStr("")
    database: str = "rollcall"
    secure: bool = Field(False, description="HTTPS instead of HTTP.")
    ca_cert: Path | None = Field(None, description="The certificate authority's file, PEM, if not a public one.")

    def client_options(self) -> dict[str, Any]:
        """Arguments for `clickhouse_connect.get_client`, without the database (it may not exist yet)."""
        options: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "username": self.user,
            "password": self.password.get_secret_value(),
            "interface": "https" if self.secure else "http",
        }
        if self.ca_cert is not None:
            options["ca_cert"] = str(self.ca_cert)
        return options


class WorkerSettings(_Section):
    """How the worker consumes. The defaults are the measured ones of docs/performance.md."""

    group: str = Field("rollcall-worker", description="Consumer group; the ledger is kept per group.")
    batch_marks: int = Field(250_000, ge=1, le=1_000_000, description="A batch is closed at so many marks.")
    linger_quiet_ms: int = Field(500, ge=0, description="How long a batch stays open when little arrives.")
    linger_busy_ms: int = Field(150, ge=0, description="How long it stays open when much arrives.")
    session_timeout_ms: int = Field(
        10_000,
        ge=1_000,
        description="A worker whose last good poll is older stops writing.",
    )
    suppression: bool = Field(True, description="Count unchanged repeats instead of writing them.")
    expected_assertions: int = Field(
        65_536, ge=1_024, description="Assertions of a day to make room for at once; a national day is 14,000,000."
    )
    future_bound_seconds: int = Field(
        300, ge=0, description="Rule 6: a version later than arrival by more than this is capped at arrival."
    )


class ArchiveSettings(_Section):
    """The archive of the marks' messages."""

    group: str = Field("rollcall-archive", description="Consumer group of the archive.")
    retention_days: int = Field(
        365, ge=1, le=2_556, description="Messages are kept so long from their arrival, and up to a month more."
    )


class IngestSettings(_Section):
    """The ingest API."""

    host: str = "127.0.0.1"
    port: int = Field(8090, ge=0, le=65535, description="0 takes a free one.")
    keys_file: Path | None = Field(None, description="Hashed keys of the sources, else <home>/ingest-keys.json.")
    webhooks_file: Path | None = Field(None, description="Webhooks that are taken, else <home>/ingest-webhooks.json.")
    webhook_max_age_seconds: int = Field(
        86_400, ge=60, description="A webhook pushed longer ago is refused; a vendor may try again for so long."
    )
    max_body_bytes: int = Field(4_194_304, ge=1_024, description="A larger request is refused with 413.")


class ConnectorSettings(_Section):
    """The systems that are pulled."""

    sources_file: Path | None = Field(None, description="The sources and their schools, else <home>/sources.json.")


class IdentitySettings(_Section):
    """The key that turns a UPN into a reference at the edge (rule 27)."""

    upn_key_file: Path | None = Field(None, description="32 random bytes; <home>/upn.key when not set.")
    upn_key_id: str = Field("k1", pattern=r"^[a-z0-9-]{1,16}$", description="Kept beside every reference: rotation.")


class ObservabilitySettings(_Section):
    """Logs and metrics."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65535, description="/metrics, /healthz, /readyz; 0 takes a free one.")


class Settings(BaseSettings):
    """All settings. Make it with `Settings.load`; nothing else reads the environment."""

    model_config = SettingsConfigDict(
        env_prefix="ROLLCALL_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    home: Path = Field(Path(".rollcall"), description="State of the embedded stack, keys, logs.")
    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    worker: WorkerSettings = WorkerSettings()
    archive: ArchiveSettings = ArchiveSettings()
    ingest: IngestSettings = IngestSettings()
    connectors: ConnectorSettings = ConnectorSettings()
    identity: IdentitySettings = IdentitySettings()
    observability: ObservabilitySettings = ObservabilitySettings()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, **given: Any) -> Settings:
        """Read the settings in force. `given` goes before everything: `Settings.load(home=path)`.

        Raises ConfigError, naming the setting and what is wrong with it, never its value (it may be a secret).
        """
        _refuse_misspelt(os.environ)
        try:
            settings = cls(**given)
        except ValidationError as error:
            raise ConfigError("; ".join(_complaint(one["loc"], one["msg"]) for one in error.errors())) from None
        settings._origins = _origins_of(given, settings.home)
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the running embedded stack."""
        home = init_settings().get("home") or env_settings().get("home") or cls.model_fields["home"].default
        return init_settings, env_settings, InitSettingsSource(settings_cls, stack_defaults(Path(home)))

    @property
    def ingest_keys_file(self) -> Path:
        """Where the ingest API's hashed keys are."""
        return self.ingest.keys_file or self.home / "ingest-keys.json"

    @property
    def sources_file(self) -> Path:
        """Where the sources are: which systems are pulled, for which schools."""
        return self.connectors.sources_file or self.home / "sources.json"

    @property
    def ingest_webhooks_file(self) -> Path:
        """Where it stands which webhooks are taken, and where their secrets are."""
        return self.ingest.webhooks_file or self.home / "ingest-webhooks.json"

    @property
    def upn_key_file(self) -> Path:
        """Where the key for UPNs is."""
        return self.identity.upn_key_file or self.home / "upn.key"

    def in_force(self) -> Iterator[tuple[str, Any, str]]:
        """Every setting as (dotted name, printable value with secrets masked, where it came from)."""
        for name, value in _leaves(self.model_dump(mode="json")):
            yield name, value, self._origins.get(name, "default")


def stack_defaults(home: Path) -> dict[str, Any]:
    """What the embedded stack of `home` says about itself; empty when there is none.

    Raises ConfigError when `stack.json` is there and is not what the stack writes.
    """
    file = home / "stack.json"
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        return {
            "kafka": {"bootstrap": written["kafka"]["bootstrap"]},
            "registry": {"url": written["registry"]["url"]},
            "clickhouse": {"host": written["clickhouse"]["host"], "port": written["clickhouse"]["port"]},
        }
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{file} cannot be read as the embedded stack wrote it: run `rollcall up` again") from None


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    sections = {name.upper() for name in Settings.model_fields}
    for variable in environment:
        name = variable.upper()
        if not name.startswith("ROLLCALL_") or name in _NOT_SETTINGS:
            continue
        section = name.removeprefix("ROLLCALL_").split("__")[0]
        if section not in sections:
            raise ConfigError(f"{variable}: no such setting; `rollcall config` lists them all")


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    variable = "ROLLCALL_" + "__".join(str(part).upper() for part in location)
    if message == "Extra inputs are not permitted":
        message = "no such setting; `rollcall config` lists them all"
    return f"{variable}: {message[:1].lower()}{message[1:]}"


def _origins_of(given: Mapping[str, Any], home: Path) -> dict[str, str]:
    origins = dict.fromkeys((name for name, _ in _leaves(stack_defaults(home))), "stack.json")
    for variable in os.environ:
        if variable.upper().startswith("ROLLCALL_"):
            origins[variable.upper().removeprefix("ROLLCALL_").lower().replace("__", ".")] = "environment"
    plain = {name: value.model_dump() if isinstance(value, BaseModel) else value for name, value in given.items()}
    origins.update(dict.fromkeys((name for name, _ in _leaves(plain)), "argument"))
    return origins


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
