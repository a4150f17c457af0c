"""`rollcall ingest`: the API that takes registers, and the keys of those who send them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = ["register"]

Home = Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall ingest run`, and `add`, `list` and `revoke` of keys and of webhooks."""
    from rollcall.cli import _webhooks

    ingest = typer.Typer(no_args_is_help=True, help="Take registers over HTTP, and manage who may send them.")
    ingest.command(
        "run",
        epilog="Examples: [bold]rollcall ingest run[/bold]; [bold]rollcall ingest run --port 0[/bold] takes a free "
        "port and prints it. Its documentation is at /docs.",
    )(run)
    key = typer.Typer(no_args_is_help=True, help="The API keys of sources: made, shown once, stored as hashes.")
    key.command(
        "add",
        epilog="Examples: [bold]rollcall ingest key add --source classroom --urn 123456[/bold]; "
        "[bold]rollcall ingest key add --source trust-mis --urns-file urns.txt --json[/bold]",
    )(key_add)
    key.command("list", epilog="Example: [bold]rollcall ingest key list --json[/bold]")(key_list)
    key.command("revoke", epilog="Example: [bold]rollcall ingest key revoke 3f2a9c01b7de[/bold]")(key_revoke)
    ingest.add_typer(key, name="key")
    ingest.add_typer(_webhooks.group(), name="webhook")
    app.add_typer(ingest, name="ingest")


def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="8090")] = None,
    home: Home = None,
) -> None:
    """Serve the ingest API until it is stopped: registers, kiosk events, webhooks. 202 is said once Kafka has it."""
    from connectors.ingest import server
    from rollcall import logging

    settings = _settings(home)
    logging.configure(settings.observability.log_level)
    server.run(
        settings,
        host if host is not None else settings.ingest.host,
        port if port is not None else settings.ingest.port,
        listening=lambda url: typer.echo(f"ingest API: {url}  (documentation: {url}/docs)"),
    )


def key_add(
    source: Annotated[str, typer.Option(help="The system the key is for, e.g. classroom.")],
    urn: Annotated[list[int] | None, typer.Option(help="A school it may send for; repeat for more.")] = None,
    urns_file: Annotated[Path | None, typer.Option(help="A file of URNs, one a line.", exists=True)] = None,
    all_urns: Annotated[bool, typer.Option("--all-urns", help="Every school.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept."""
    from connectors.ingest import keys
    from rollcall.errors import UsageError

    named = list(urn or [])
    if urns_file is not None:
        lines = urns_file.read_text(encoding="utf-8").split()
        if not all(line.isdecimal() for line in lines):
            raise UsageError(f"{urns_file} holds something that is no URN: one number a line is wanted")
        named += [int(line) for line in lines]
    if all_urns and named:
        raise UsageError("say either which schools, or --all-urns")
    key, token = keys.add(_settings(home).ingest_keys_file, source, None if all_urns else named)
    if as_json:
        typer.echo(json.dumps({"id": key.id, "source": key.source, "key": token}))
    else:
        typer.echo(token)
        typer.secho(f"key {key.id} of {key.source}: keep it now, it is not shown again", err=True)


def key_list(home: Home = None, as_json: AsJson = False) -> None:
    """Show every key: its id, source, schools and whether it is revoked. Never the key itself."""
    from connectors.ingest import keys

    rows = [
        {
            "id": key.id,
            "source": key.source,
            "schools": "all" if key.urns is None else len(key.urns),
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }
        for key in keys.read(_settings(home).ingest_keys_file)
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("Key", "Source", "Schools", "Made", "Revoked", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(str(value) if value is not None else "" for value in row.values()))
    Console().print(table)


def key_revoke(
    key_id: Annotated[str, typer.Argument(help="As `rollcall ingest key list` shows it.")], home: Home = None
) -> None:
    """Make a key useless, at once: a running API follows within a second."""
    from connectors.ingest import keys

    key = keys.revoke(_settings(home).ingest_keys_file, key_id)
    typer.echo(f"key {key.id} of {key.source} is revoked since {key.revoked_at}")


def _settings(home: Path | None) -> Settings:
    from rollcall.settings import Settings

    return Settings.load(home=home) if home is not None else Settings.load()
